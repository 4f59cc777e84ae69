import { statSync } from 'node:fs';
import { basename, dirname, isAbsolute } from 'node:path';
import { UserError } from '../base/errors.js';
import { cApi, type Pointer, withStatus } from './c-api.js';
import { nativeBackend } from './native-backend.js';
import { encodeMessage } from './protobuf.js';
import { asTheyAre, configMessage, type Preparation, type RuntimeOptions } from './runtime-options.js';
import { exchangeBySockets, exposed } from './socket-exchange.js';

/** The processes that compute together, and which of them this one is. */
export interface WorkerGroup {
  /** Number of this process, from 0. */
  readonly rank: number;
  /**
   * Addresses at which the servers of all processes listen, by rank: `host:port` of the machine, on all of its
   * interfaces, or the path of a socket (`socketAddresses`), which only this user can reach.
   */
  readonly addresses: readonly string[];
}

const job = 'worker';
const taskName = (rank: number): string => `/job:${job}/replica:0/task:${rank}`;

function enter(folder: string): void {
  try {
    process.chdir(folder);
  } catch (error) {
    throw new UserError({
      code: 'worker-sockets-missing',
      message: `The folder of the workers' sockets, ${folder}, cannot be entered by one of them.`,
      remedy: 'All processes of a machine must have the same folder for temporary files (TMPDIR).',
      cause: error,
    });
  }
}

/** A server that listens, and answers nobody before it is started. */
function newServer(definition: Uint8Array, address: string): Pointer {
  const c = cApi();
  try {
    return withStatus((status) => c.NewServer(definition, definition.byteLength, status));
  } catch (error) {
    if (!(error as Error).message.includes('Could not start gRPC server')) throw error;
    throw new UserError({
      code: 'worker-port-taken',
      message: `A worker cannot listen at ${address}: the port is taken on its machine, or not allowed.`,
      remedy:
        'Stop the program that uses it, or give the workers other ports; `runtime.retries` tries again automatically.',
      cause: error,
    });
  }
}

/**
 * TensorFlow's server in this process, through which the workers of a group reach each other. Sessions that are given
 * one may hold collective operations. It cannot be stopped: it ends with the process. Where it listens on a socket, the
 * socket's folder becomes the current one.
 *
 * Throws a UserError where the address cannot be listened on (`worker-port-taken`), or the socket cannot be had
 * (`workers-exposed`, `worker-sockets-missing`).
 */
export class WorkerServer {
  readonly rank: number;
  readonly size: number;
  readonly target: string;

  constructor({ rank, addresses }: WorkerGroup, options: RuntimeOptions = {}) {
    const { devices } = nativeBackend(options).placeOf(options);
    this.rank = rank;
    this.size = addresses.length;
    const c = cApi();
    const own = addresses[rank]!;
    const bySockets = isAbsolute(own);
    if (bySockets) {
      enter(dirname(own));
      exchangeBySockets(rank);
    }
    const tasks = addresses.map((address, key) => ({ key, value: bySockets ? basename(address) : address }));
    const definition = encodeMessage('ServerDef', {
      cluster: { job: [{ name: job, tasks }] },
      jobName: job,
      taskIndex: rank,
      // Added to what each session asks for, which says itself how its graphs are prepared.
      defaultSessionConfig: this.config(options, asTheyAre(!devices.includes('GPU'))),
      protocol: 'grpc',
    });
    const server = newServer(definition, own);
    if (bySockets && statSync(own, { throwIfNoEntry: false })?.isSocket() !== true) throw exposed();
    withStatus((status) => {
      c.ServerStart(server, status);
    });
    this.target = c.ServerTarget(server);
  }

  /** The fields of the `ConfigProto` of sessions on this server: each sees its own worker's devices only. */
  config(options: RuntimeOptions, preparation: Preparation): Readonly<Record<string, unknown>> {
    return {
      ...configMessage(options, preparation),
      deviceFilters: [`/job:${job}/task:${this.rank}`],
      experimental: { collectiveGroupLeader: taskName(0) },
    };
  }
}
