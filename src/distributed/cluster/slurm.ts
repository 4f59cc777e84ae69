import { readFileSync } from 'node:fs';
import { type Cluster, invalidCluster } from './cluster.js';
import { expandHostlist } from './hostlist.js';

/** Ports of a job step: below those that Linux hands out by itself, and apart from those of most other jobs. */
const firstPort = 16_000;
const portsPerJob = 64;
const jobSlots = 256;

/** From here on Slurm numbers steps that are no `srun` of several tasks: the batch script, an interactive shell. */
const firstSpecialStep = 0xffff_fff0;

/**
 * The cluster of a job step that Slurm's `srun` started with several tasks. A batch script is no step: there each
 * `srun` within it is one. Nor is what someone starts by hand in the shell that a step runs (`srun -n4 --pty bash`): the
 * other tasks start nothing.
 *
 * @returns nothing outside of a step, or in a step of one task
 * @throws UserError `cluster-invalid`
 * Source: srun's manual, "Output environment variables".
 */
export function slurmCluster(
  env: NodeJS.ProcessEnv,
  isByHand: (taskPid: number) => boolean = startedByHand,
): Cluster | undefined {
  const step = env.SLURM_STEP_ID?.trim() ?? '';
  const nodes = env.SLURM_STEP_NODELIST?.trim() ?? '';
  if (step === '' || nodes === '' || Number(step) >= firstSpecialStep) return undefined;
  const size = number(env, 'SLURM_STEP_NUM_TASKS');
  if (size === 1 || isByHand(Number(env.SLURM_TASK_PID))) return undefined;
  const rank = number(env, 'SLURM_PROCID');
  const hosts = expandHostlist(nodes);
  const counts = tasksPerNode(env.SLURM_STEP_TASKS_PER_NODE ?? '');
  if (size < 1 || counts.length !== hosts.length || counts.reduce((a, b) => a + b, 0) !== size)
    throw invalidCluster(
      `Slurm's step has ${size} tasks, but SLURM_STEP_TASKS_PER_NODE is "${env.SLURM_STEP_TASKS_PER_NODE ?? ''}" on ${hosts.length} nodes`,
    );
  if (rank >= size)
    throw invalidCluster(`SLURM_PROCID is ${rank}, but Slurm's step has ${size} tasks, counted from 0`);
  if (Math.max(...counts) >= portsPerJob)
    throw invalidCluster(`more than ${portsPerJob - 1} tasks on a node have no ports`);
  if (env.SLURM_DISTRIBUTION !== undefined && !/^(?:block|$)/.test(env.SLURM_DISTRIBUTION))
    throw invalidCluster(
      `tasks are distributed as "${env.SLURM_DISTRIBUTION}"; start them with --distribution=block`,
    );
  const base = firstPort + portsPerJob * (number(env, 'SLURM_JOB_ID') % jobSlots);
  // What is on one machine needs nobody else's.
  const names = hosts.length === 1 ? ['127.0.0.1'] : hosts;
  const addresses = names.flatMap((host, i) =>
    Array.from({ length: counts[i]! }, (_, local) => `${host}:${base + 1 + local}`),
  );
  return { rank, addresses, control: `${names[0]!}:${base}`, source: 'Slurm' };
}

/**
 * Whether someone typed the command into a shell that a Slurm task runs. Interactive shells give each command a group of
 * processes of its own; what `srun` starts, and its scripts, are of the task's.
 */
function startedByHand(taskPid: number): boolean {
  if (!process.stdin.isTTY) return false;
  const [own, task] = [groupOf(process.pid), groupOf(taskPid)];
  return own !== undefined && task !== undefined && own !== task;
}

/** Number of a process's group; undefined where the system does not tell. */
function groupOf(pid: number): string | undefined {
  try {
    // The name, in brackets, may hold anything.
    return readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')[2];
  } catch {
    return undefined;
  }
}

/** `2(x3),1` → 2, 2, 2, 1; nothing where it is no such list. */
function tasksPerNode(text: string): number[] {
  const parts = text.split(',').map((part) => /^(\d{1,6})(?:\(x(\d{1,6})\))?$/.exec(part.trim()));
  return parts.includes(null)
    ? []
    : parts.flatMap((match) => new Array<number>(Number(match![2] ?? 1)).fill(Number(match![1])));
}

function number(env: NodeJS.ProcessEnv, name: string): number {
  const text = env[name]?.trim() ?? '';
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value)) return value;
  throw invalidCluster(`${name} is "${text}", a number was expected`);
}
