import { type Cluster, invalidCluster } from './cluster.js';
import { expandHostlist } from './hostlist.js';

/** Ports of a job step: below those that Linux hands out by itself, and apart from those of most other jobs. */
const firstPort = 16_000;
const portsPerJob = 64;
const jobSlots = 256;

/**
 * The cluster of a job step that Slurm's `srun` started with several tasks. A batch script is no step: there each
 * `srun` within it is one.
 *
 * @returns nothing outside of a step, or in a step of one task
 * @throws UserError `cluster-invalid`
 * Source: srun's manual, "Output environment variables".
 */
export function slurmCluster(env: NodeJS.ProcessEnv): Cluster | undefined {
  if (env.SLURM_STEP_ID === undefined || env.SLURM_STEP_NODELIST === undefined) return undefined;
  const size = number(env, 'SLURM_STEP_NUM_TASKS');
  if (size === 1) return undefined;
  const rank = number(env, 'SLURM_PROCID');
  const hosts = expandHostlist(env.SLURM_STEP_NODELIST);
  const counts = tasksPerNode(env.SLURM_STEP_TASKS_PER_NODE ?? '');
  if (counts.length !== hosts.length || counts.reduce((a, b) => a + b, 0) !== size)
    throw invalidCluster(
      `Slurm's step has ${size} tasks, but SLURM_STEP_TASKS_PER_NODE is "${env.SLURM_STEP_TASKS_PER_NODE ?? ''}" on ${hosts.length} nodes`,
    );
  if (Math.max(...counts) >= portsPerJob)
    throw invalidCluster(`more than ${portsPerJob - 1} tasks on a node have no ports`);
  if (env.SLURM_DISTRIBUTION !== undefined && !env.SLURM_DISTRIBUTION.startsWith('block'))
    throw invalidCluster(
      `tasks are distributed as "${env.SLURM_DISTRIBUTION}"; start them with --distribution=block`,
    );
  const base = firstPort + portsPerJob * (number(env, 'SLURM_JOB_ID') % jobSlots);
  const addresses = hosts.flatMap((host, i) =>
    Array.from({ length: counts[i]! }, (_, local) => `${host}:${base + 1 + local}`),
  );
  return { rank, addresses, control: `${hosts[0]!}:${base}`, source: 'Slurm' };
}

/** `2(x3),1` → 2, 2, 2, 1 */
function tasksPerNode(text: string): number[] {
  return text.split(',').flatMap((part) => {
    const match = /^(\d+)(?:\(x(\d+)\))?$/.exec(part);
    return match === null ? [] : new Array<number>(Number(match[2] ?? 1)).fill(Number(match[1]));
  });
}

function number(env: NodeJS.ProcessEnv, name: string): number {
  const value = Number(env[name] ?? Number.NaN);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw invalidCluster(`${name} is "${env[name] ?? ''}", a number was expected`);
}
