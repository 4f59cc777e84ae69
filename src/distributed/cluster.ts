import { UserError } from '../base/errors.js';
import { readWholeTextSync } from '../base/files.js';
import { isMap } from '../base/is-map.js';
import type { MachinePlace } from './device-environment.js';

/**
 * The cluster that this process was started in, as TF_CONFIG or Slurm's environment describes it; nothing where
 * it stands alone.
 *
 * @throws UserError `cluster-invalid`
 */
export function describedCluster(env: NodeJS.ProcessEnv): Cluster | undefined {
  return tfConfigCluster(env) ?? slurmCluster(env);
}

/** Processes on one machine or several that were started to run one pipeline together. */
export interface Cluster {
  /** Number of this process, from 0; process 0 runs the pipeline. */
  readonly rank: number;
  /** `host:port` of every process's TensorFlow server, by rank. */
  readonly addresses: readonly string[];
  /** `host:port` on which process 0 hears the others. */
  readonly control: string;
  /** Source of its description: `TF_CONFIG` or `Slurm`. */
  readonly source: string;
}

/** The host and the port of an address. */
export function hostAndPort(address: string): { readonly host: string; readonly port: number } {
  const match = /^\[?([^\s/[\]]+)\]?:(\d{1,5})$/.exec(address);
  const port = Number(match?.[2]);
  if (match === null || port < 1 || port > 65_535)
    throw invalidCluster(`"${address}" is not an address of the form host:port`);
  return { host: match[1]!, port };
}

/** True when all processes are on one machine, and say so. */
export function isOnOneMachine({ addresses }: Cluster): boolean {
  return addresses.every((address) => isLoopback(hostAndPort(address).host));
}

/** Place of this process among those of its machine. */
export function placeOnMachine({ rank, addresses }: Cluster): MachinePlace {
  const hosts = addresses.map((address) => hostAndPort(address).host);
  const isHere = (host: string): boolean => host === hosts[rank];
  return {
    index: hosts.slice(0, rank).filter(isHere).length,
    size: hosts.filter(isHere).length,
    mayBeBound: true,
  };
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host);
}

function invalidCluster(problem: string): UserError {
  return new UserError({
    code: 'cluster-invalid',
    usage: true,
    message: `The description of the cluster cannot be used: ${problem}.`,
    remedy:
      'Correct TF_CONFIG, or the environment of Slurm; without both the pipeline runs on this machine alone.',
  });
}

/**
 * The hosts of a list as Slurm writes it: `node[01-03,7],gpu` → node01, node02, node03, node7, gpu.
 * Several brackets in one name multiply.
 *
 * @throws UserError `cluster-invalid`
 */
export function expandHostlist(list: string): string[] {
  return splitOutside(list).flatMap(expand);
}

/** More than any cluster has: what multiplies to more is no list. */
const mostHosts = 65_536;

function expand(name: string): string[] {
  const match = /^([^[\]]*)\[([^[\]]+)\](.*)$/.exec(name);
  if (match === null) {
    if (name === '' || /[[\]]/.test(name)) throw invalidCluster(`"${name}" is not a host of Slurm's list`);
    return [name];
  }
  const [, before, ranges, after] = match as unknown as [string, string, string, string];
  const rests = after === '' ? [''] : expand(after);
  const all = ranges.split(',').flatMap(numbers);
  if (all.length * rests.length > mostHosts)
    throw invalidCluster(`"${name}" is more than ${mostHosts} hosts`);
  return all.flatMap((number) => rests.map((rest) => before + number + rest));
}

/** `08-11` → 08, 09, 10, 11 */
function numbers(range: string): string[] {
  const match = /^(\d+)(?:-(\d+))?$/.exec(range);
  if (match === null) throw invalidCluster(`"${range}" is not a range of Slurm's host list`);
  const [, first, last = first] = match as unknown as [string, string, string | undefined];
  const count = Number(last) - Number(first) + 1;
  if (count < 1 || count > mostHosts) throw invalidCluster(`"${range}" is not a range of Slurm's host list`);
  return Array.from({ length: count }, (_, i) => String(Number(first) + i).padStart(first.length, '0'));
}

/** Splits at commas that are not within brackets. */
function splitOutside(list: string): string[] {
  return list.split(/,(?![^[]*\])/);
}

/** Ports of a job step: below those that Linux hands out by itself, and apart from those of most other jobs. */
const firstPort = 16_000;
const portsPerJob = 64;
const jobSlots = 256;

/** Number from which on Slurm's steps are no `srun` of several tasks: the batch script, an interactive shell. */
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
 * True when someone typed the command into a shell that a Slurm task runs. Interactive shells give each command a group
 * of processes of its own; what `srun` starts, and its scripts, are of the task's.
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
    return readWholeTextSync(`/proc/${pid}/stat`)
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

/**
 * The cluster that TF_CONFIG describes, as Kubeflow and Vertex AI set it:
 * `{"cluster": {"chief": ["host:port"], "worker": ["host:port", …]}, "task": {"type": "worker", "index": 0}}`.
 * The chief, where there is one, is process 0; the workers follow.
 *
 * @returns nothing where the variable is not set, or describes one process
 * @throws UserError `cluster-invalid`
 * Source: TensorFlow's guide to distributed training, "Setting up the TF_CONFIG environment variable".
 */
export function tfConfigCluster(env: NodeJS.ProcessEnv): Cluster | undefined {
  if (env.TF_CONFIG === undefined || env.TF_CONFIG.trim() === '') return undefined;
  const { cluster, task } = parse(env.TF_CONFIG);
  const unknown = Object.keys(cluster).find((type) => !types.includes(type));
  if (unknown !== undefined)
    throw invalidCluster(`TF_CONFIG has tasks of the type "${unknown}"; known are ${types.join(' and ')}`);
  // Vertex AI calls the first worker pool "chief", older tools "master".
  const ofType = (type: string) =>
    addressList(cluster[type]).map((address, index) => ({ type, index, address }));
  const processes = types.flatMap(ofType);
  // Some tools write the index as text.
  const own = typeof task.index === 'string' && /^\d+$/.test(task.index) ? Number(task.index) : task.index;
  const rank = processes.findIndex(({ type, index }) => type === task.type && index === own);
  if (rank < 0)
    throw invalidCluster(
      `TF_CONFIG says that this is task ${JSON.stringify(task)}, which its cluster does not have`,
    );
  if (processes.length === 1) return undefined;
  const addresses = processes.map(({ address }) => address);
  addresses.forEach(hostAndPort);
  const twice = addresses.find((address, i) => addresses.indexOf(address) !== i);
  if (twice !== undefined) throw invalidCluster(`TF_CONFIG gives the address "${twice}" to two tasks`);
  return { rank, addresses, control: controlAddress(addresses), source: 'TF_CONFIG' };
}

/** The first port after process 0's own that no other process on its host has; before it, where there is none. */
function controlAddress(addresses: readonly string[]): string {
  const [first] = addresses as [string];
  const host = first.slice(0, first.lastIndexOf(':'));
  const taken = new Set(addresses);
  const { port } = hostAndPort(first);
  const free = (step: number): string | undefined => {
    for (let candidate = port + step; candidate >= 1 && candidate <= 65_535; candidate += step)
      if (!taken.has(`${host}:${candidate}`)) return `${host}:${candidate}`;
    return undefined;
  };
  return (free(1) ?? free(-1))!;
}

const types = ['chief', 'master', 'worker'];

interface TfConfig {
  readonly cluster: Readonly<Record<string, unknown>>;
  readonly task: { readonly type?: unknown; readonly index?: unknown };
}

function parse(text: string): TfConfig {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw invalidCluster('TF_CONFIG is not JSON');
  }
  const { cluster, task } = isMap(value) ? value : {};
  if (!isMap(cluster) || !isMap(task)) throw invalidCluster('TF_CONFIG has no "cluster" or no "task"');
  return { cluster, task };
}

function addressList(value: unknown): readonly string[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value) && value.every((item): item is string => typeof item === 'string')) return value;
  throw invalidCluster('the tasks in TF_CONFIG are not lists of addresses');
}
