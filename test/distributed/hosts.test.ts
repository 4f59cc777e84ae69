import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa, execaSync } from 'execa';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { nodeProgram } from '../support/programs.js';
import { describeUnless } from '../support/unless.js';

/** Two hosts on this machine: network namespaces with a cable between them. */
const hosts = ['a', 'b'].map((name, i) => ({
  name: `pipeline-${process.pid}-${name}`,
  link: `pl${process.pid % 100_000}${name}`,
  address: `10.77.${process.pid % 250}.${i + 1}`,
}));
const ip = (...args: string[]) => execaSync('ip', args, { reject: false });

/** Why there can be no namespaces here; nothing where there are. */
function obstacle(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0)
    return 'network namespaces need root on Linux';
  const probe = `pipeline-${process.pid}-probe`;
  const made = ip('netns', 'add', probe);
  if (made.exitCode === undefined) return 'iproute2 is not installed';
  ip('netns', 'del', probe);
  return made.exitCode === 0 ? undefined : `namespaces cannot be made: ${made.stderr}`;
}

const reason = obstacle();

let folder: string;

describeUnless(reason, 'two hosts', () => {
  beforeAll(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), 'hosts-')));
    const [a, b] = hosts as [(typeof hosts)[0], (typeof hosts)[0]];
    for (const { name } of hosts) ip('netns', 'add', name);
    ip('link', 'add', a.link, 'netns', a.name, 'type', 'veth', 'peer', 'name', b.link, 'netns', b.name);
    for (const { name, link, address } of hosts) {
      ip('-n', name, 'address', 'add', `${address}/24`, 'dev', link);
      ip('-n', name, 'link', 'set', link, 'up');
      ip('-n', name, 'link', 'set', 'lo', 'up');
    }
  });

  afterAll(async () => {
    for (const { name } of hosts) ip('netns', 'del', name);
    await rm(folder, { recursive: true, force: true });
  });

  const on = (host: number, program: string, args: readonly string[], env: Record<string, string> = {}) =>
    execa('ip', ['netns', 'exec', hosts[host]!.name, process.execPath, ...nodeProgram(program), ...args], {
      cwd: folder,
      env: { CI: '1', NO_COLOR: '1', PIPELINE_RUNS: join(folder, 'runs'), ...env },
      reject: false,
    });

  it('average gradients over the cable', async () => {
    const addresses = hosts.map(({ address }) => `${address}:2222`).join();
    const told = await Promise.all(
      hosts.map((_, i) => on(i, 'test/training/worker-program.ts', [String(i), addresses, '5', '-1'])),
    );
    for (const { exitCode } of told) expect(exitCode).toBe(0);
    expect(told[0]!.stdout).toBe(told[1]!.stdout);
  });

  it('meet by TF_CONFIG, and end with the exit code of the first', async () => {
    await mkdir(join(folder, 'data'));
    await writeFile(
      join(folder, 'toy.yaml'),
      'name: toy\nstages:\n  images: { uses: images, path: data, size: 8 }\n',
    );
    const env = (index: number) => ({
      TF_CONFIG: JSON.stringify({
        cluster: { worker: hosts.map(({ address }) => `${address}:2222`) },
        task: { type: 'worker', index },
      }),
    });
    const [first, second] = await Promise.all(
      hosts.map((_, i) => on(i, 'src/cli/main.ts', ['run', 'toy.yaml'], env(i))),
    );
    // Told once, by the process that runs the pipeline.
    expect(first!.stderr.match(/without encryption or password/g)).toHaveLength(1);
    expect(second!.stderr).not.toContain('without encryption');
    // The folder holds no image.
    expect(first!.exitCode).toBe(1);
    expect(second!.exitCode).toBe(1);
    expect(second!.stdout).toContain(`works for process 0 at ${hosts[0]!.address}:2223`);
  });
});
