import { cApi, withStatus } from './c-api.js';
import { encodeMessage } from './protobuf.js';
import { type Preparation, type RuntimeOptions, configMessage } from './runtime-options.js';

/** The processes that compute together, and which of them this one is. */
export interface WorkerGroup {
  /** This process's number, from 0. */
  readonly rank: number;
  /** `host:port` of every process's server, by rank. */
  readonly addresses: readonly string[];
}

const job = 'worker';
const taskName = (rank: number): string => `/job:${job}/replica:0/task:${rank}`;

/**
 * TensorFlow's server in this process, through which the workers of a group reach each other. Sessions that are given
 * one may hold collective operations. It cannot be stopped: it ends with the process.
 *
 * Throws a TensorFlowError where the address cannot be listened on.
 */
export class WorkerServer {
  readonly rank: number;
  readonly size: number;
  readonly target: string;

  constructor(
    { rank, addresses }: WorkerGroup,
    private readonly options: RuntimeOptions = {},
  ) {
    this.rank = rank;
    this.size = addresses.length;
    const c = cApi();
    const definition = encodeMessage('ServerDef', {
      cluster: { job: [{ name: job, tasks: addresses.map((value, key) => ({ key, value })) }] },
      jobName: job,
      taskIndex: rank,
      // Added to what each session asks for, which says of precision what it wants.
      defaultSessionConfig: this.config({ ...this.options, precision: 'float32' }),
      protocol: 'grpc',
    });
    const server = withStatus((status) => c.NewServer(definition, definition.byteLength, status));
    withStatus((status) => {
      c.ServerStart(server, status);
    });
    this.target = c.ServerTarget(server);
  }

  /** The fields of the `ConfigProto` of sessions on this server: each sees its own worker's devices only. */
  config(options: RuntimeOptions, preparation?: Preparation): Readonly<Record<string, unknown>> {
    return {
      ...configMessage(options, preparation),
      deviceFilters: [`/job:${job}/task:${this.rank}`],
      experimental: { collectiveGroupLeader: taskName(0) },
    };
  }
}
