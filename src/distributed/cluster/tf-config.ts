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
  const rank = processes.findIndex(({ type, index }) => type === task.type && index === Number(task.index));
  if (rank < 0)
    throw invalidCluster(
      `TF_CONFIG says that this is task ${JSON.stringify(task)}, which its cluster does not have`,
    );
  if (processes.length === 1) return undefined;
  const addresses = processes.map(({ address }) => address);
  const { host, port } = hostAndPort(addresses[0]!);
  addresses.forEach(hostAndPort);
  return { rank, addresses, control: `${host}:${port + 1}`, source: 'TF_CONFIG' };
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
  const { cluster, task } = (value ?? {}) as Partial<TfConfig>;
  if (typeof cluster !== 'object' || typeof task !== 'object')
    throw invalidCluster('TF_CONFIG has no "cluster" or no "task"');
  return { cluster, task };
}

function addressList(value: unknown): readonly string[] {
  if (value === undefined) return [];
  if (Array.isArray(value) && value.every((item): item is string => typeof item === 'string')) return value;
  throw invalidCluster('the tasks in TF_CONFIG are not lists of addresses');
}
