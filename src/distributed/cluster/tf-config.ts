import { type Cluster, hostAndPort, invalidCluster } from './cluster.js';

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
  const { cluster, task } = isObject(value) ? value : {};
  if (!isObject(cluster) || !isObject(task)) throw invalidCluster('TF_CONFIG has no "cluster" or no "task"');
  return { cluster, task };
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function addressList(value: unknown): readonly string[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value) && value.every((item): item is string => typeof item === 'string')) return value;
  throw invalidCluster('the tasks in TF_CONFIG are not lists of addresses');
}
