import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';

const programs = ['/usr/sbin/munged', '/usr/sbin/slurmctld', '/usr/sbin/slurmd', '/usr/bin/sbatch'];

/** Why no Slurm can be started here; undefined where one can. */
export function whyNoSlurm(): string | undefined {
  const missing = programs.filter((program) => !existsSync(program));
  if (missing.length > 0) return `${missing.join(', ')} missing: apt-get install slurm-wlm munge`;
  return process.getuid?.() === 0 ? undefined : 'only root can start a Slurm of one node';
}

/** A Slurm of one node on this machine, with a configuration and daemons of its own. */
export interface Slurm {
  readonly env: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

/** Starts the daemons in a temporary folder. They listen on free ports of this machine. */
export async function startSlurm(): Promise<Slurm> {
  const folder = await mkdtemp(join(tmpdir(), 'slurm-'));
  const at = (name: string): string => join(folder, name);
  await chmod(folder, 0o711);
  for (const name of ['state', 'spool']) await mkdir(at(name));
  await writeFile(at('munge.key'), randomBytes(256), { mode: 0o600 });
  await execa('/usr/sbin/munged', [
    '--force',
    ...['key', 'socket', 'pid', 'log', 'seed'].map((name) =>
      `--${name}-file=${at(`munge.${name}`)}`.replace('socket-file', 'socket'),
    ),
  ]);
  const [name] = hostname().split('.');
  const config = [
    'ClusterName=test',
    `SlurmctldHost=${name!}(127.0.0.1)`,
    `SlurmctldPort=${await freePort()}`,
    `SlurmdPort=${await freePort()}`,
    'SlurmUser=root',
    'SlurmdUser=root',
    'AuthType=auth/munge',
    `AuthInfo=socket=${at('munge.socket')}`,
    'CredType=cred/munge',
    `StateSaveLocation=${at('state')}`,
    `SlurmdSpoolDir=${at('spool')}`,
    `SlurmctldLogFile=${at('slurmctld.log')}`,
    `SlurmdLogFile=${at('slurmd.log')}`,
    `SlurmctldPidFile=${at('slurmctld.pid')}`,
    `SlurmdPidFile=${at('slurmd.pid')}`,
    'ProctrackType=proctrack/pgid',
    'TaskPlugin=task/none',
    'SelectType=select/cons_tres',
    'SelectTypeParameters=CR_CPU',
    'SchedulerParameters=batch_sched_delay=0,sched_interval=1',
    'ReturnToService=2',
    'JobAcctGatherType=jobacct_gather/none',
    'AccountingStorageType=accounting_storage/none',
    'MpiDefault=none',
    `NodeName=${name!} NodeAddr=127.0.0.1 CPUs=2 RealMemory=500 State=UNKNOWN`,
    'PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP',
  ];
  await writeFile(at('slurm.conf'), `${config.join('\n')}\n`);
  const env = { SLURM_CONF: at('slurm.conf') };
  await execa('/usr/sbin/slurmctld', [], { env });
  await execa('/usr/sbin/slurmd', [], { env });
  for (let tries = 0; ; tries++) {
    const { stdout } = await execa('sinfo', ['--noheader', '--format=%T'], { env, reject: false });
    if (stdout === 'idle') break;
    if (tries === 100) throw new Error(`The Slurm of the test does not come up: ${stdout}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return {
    env,
    stop: async () => {
      await execa('scancel', ['--me'], { env, reject: false });
      for (let tries = 0; tries < 50; tries++) {
        const { stdout } = await execa('squeue', ['--noheader'], { env, reject: false });
        if (stdout === '') break;
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
      for (const daemon of ['slurmd', 'slurmctld', 'munge']) {
        const pid = Number(await readFile(at(`${daemon}.pid`), 'utf8').catch(() => ''));
        if (pid > 0) process.kill(pid, 'SIGTERM');
      }
      await new Promise((resolve) => setTimeout(resolve, 1000));
      await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
    },
  };
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => {
        resolve(port);
      });
    });
  });
}
