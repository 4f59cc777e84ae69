import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { Subject } from 'rxjs';
import { UserError } from '../base/errors.js';
import type { RuntimeConfig } from '../runner/stage.js';
import { type Cluster, hostAndPort, isLoopback } from './cluster.js';
import { type FromFollower, fromFollower, groupName, MessageLines, type ToFollower } from './control.js';
import { afterAwake } from './lifeline.js';
import { isOwn } from './own-socket.js';
import type { FromWorker, Worker, WorkerEnd } from './worker.js';

/**
 * Time within which the other processes of the cluster must appear before work, and before the end of a run without
 * any.
 */
const arrivalMs = 600_000;
const lateArrivalMs = 30_000;
/** Time within which one that connects must say who it is. */
const helloMs = 30_000;

type Follower = MessageLines<ToFollower, FromFollower>;

interface RemoteWorker {
  readonly messages: Subject<FromWorker>;
  readonly end: (end: WorkerEnd) => void;
}

/** Process 0's side of a cluster: hears the other processes and has workers started by them. */
export class ClusterLeader {
  private readonly followers = new Map<number, Follower>();
  /** Ranks that have been there, even if they are not any more. */
  private readonly arrived = new Set<number>();
  private readonly workers = new Map<string, RemoteWorker>();
  private readonly arrivals = new Subject<void>();
  private readonly interrupted = new AbortController();
  private attempts = 0;
  /** True once others were waited for in vain. */
  private incomplete = false;

  private constructor(
    readonly cluster: Cluster,
    private readonly server: Server,
  ) {
    server.on('connection', (socket) => {
      if (!isOwn(socket, 'caller')) {
        socket.destroy();
        return;
      }
      let rank: number | undefined;
      const lines: Follower = new MessageLines(socket, fromFollower, (message) => {
        if (rank !== undefined && message.type !== 'hello') this.hear(rank, message);
        else if (rank === undefined && message.type === 'hello') rank = this.welcome(lines, message);
        else lines.destroy();
      });
      const silence = setTimeout(() => {
        if (rank === undefined) lines.destroy();
      }, helloMs);
      void lines.closed.then(() => {
        clearTimeout(silence);
        if (rank !== undefined) this.lose(rank, lines);
      });
    });
  }

  /** Number of processes. */
  get size(): number {
    return this.cluster.addresses.length;
  }

  /** Aborts when another process is interrupted. */
  get interruption(): AbortSignal {
    return this.interrupted.signal;
  }

  /**
   * Listens for the other processes.
   *
   * @throws UserError `cluster-port-taken`
   */
  static async listen(cluster: Cluster): Promise<ClusterLeader> {
    const { host, port } = hostAndPort(cluster.control);
    const server = createServer();
    const leader = new ClusterLeader(cluster, server);
    try {
      await once(server.listen({ port, ...(isLoopback(host) && { host }) }), 'listening');
    } catch (error) {
      throw new UserError({
        code: 'cluster-port-taken',
        message: `Port ${port}, on which the processes of the cluster meet, cannot be listened on (${(error as NodeJS.ErrnoException).code ?? String(error)}).`,
        remedy: 'End what uses it, or start the job again.',
        cause: error,
      });
    }
    return leader;
  }

  /**
   * Resolves when every other process is there.
   *
   * @throws UserError `cluster-incomplete`, or the signal's reason
   */
  async everyone(signal: AbortSignal, waitMs = arrivalMs): Promise<void> {
    const missing = (): number[] =>
      [...this.cluster.addresses.keys()].slice(1).filter((rank) => !this.arrived.has(rank));
    await new Promise<void>((resolve, reject) => {
      const settle = (error?: Error): void => {
        stopWaiting();
        subscription.unsubscribe();
        signal.removeEventListener('abort', abort);
        if (error === undefined) resolve();
        else reject(error);
      };
      const abort = (): void => {
        settle(signal.reason as Error);
      };
      const stopWaiting = afterAwake(waitMs, () => {
        this.incomplete = true;
        settle(
          new UserError({
            code: 'cluster-incomplete',
            message: `Of ${this.cluster.addresses.length} processes (counted from 0), ${missing().join(', ')} did not appear within ${waitMs / 1000} s.`,
            remedy: `Look into their logs, and whether they reach ${this.cluster.control}.`,
          }),
        );
      });
      const look = (): void => {
        if (missing().length === 0) settle();
      };
      const subscription = this.arrivals.subscribe(look);
      signal.addEventListener('abort', abort);
      if (signal.aborted) abort();
      else look();
    });
  }

  /** A number for the workers that are started together. */
  nextAttempt(): number {
    return ++this.attempts;
  }

  /** Starts the worker of another process there. */
  startWorker(rank: number, attempt: number, device: RuntimeConfig['device']): Worker {
    const messages = new Subject<FromWorker>();
    let end!: (end: WorkerEnd) => void;
    const ended = new Promise<WorkerEnd>((resolve) => (end = resolve));
    this.workers.set(key(rank, attempt), { messages, end });
    const send = (message: ToFollower): void => this.followers.get(rank)?.send(message);
    if (this.followers.has(rank)) send({ type: 'start', attempt, device });
    else end(lost(this.cluster.addresses[rank]!));
    void ended.then(() => {
      messages.complete();
    });
    return {
      rank,
      messages,
      ended,
      send: (message) => {
        send({ type: 'tell', attempt, message });
      },
      kill: () => {
        send({ type: 'kill', attempt });
      },
    };
  }

  /** Tells the other processes that the run has ended, and how. */
  async end(exitCode: number): Promise<void> {
    if (!this.incomplete)
      await this.everyone(new AbortController().signal, lateArrivalMs).catch(() => undefined);
    for (const follower of this.followers.values()) {
      follower.send({ type: 'end', exitCode });
      follower.end();
    }
    this.server.close();
    await Promise.race([
      Promise.all([...this.followers.values()].map(({ closed }) => closed)),
      new Promise((resolve) => setTimeout(resolve, 5_000)),
    ]);
    for (const follower of this.followers.values()) follower.destroy();
  }

  private welcome(
    lines: Follower,
    { rank, group }: Extract<FromFollower, { type: 'hello' }>,
  ): number | undefined {
    const known = Number.isInteger(rank) && rank > 0 && rank < this.cluster.addresses.length;
    if (!known || group !== groupName(this.cluster) || this.followers.has(rank)) {
      lines.destroy();
      return undefined;
    }
    this.followers.set(rank, lines);
    this.arrived.add(rank);
    this.arrivals.next();
    return rank;
  }

  private hear(rank: number, message: Exclude<FromFollower, { type: 'hello' }>): void {
    if (message.type === 'interrupt')
      this.interrupted.abort(
        new DOMException('Another process of the cluster was interrupted.', 'AbortError'),
      );
    else {
      const worker = this.workers.get(key(rank, message.attempt));
      if (message.type === 'told') worker?.messages.next(message.message);
      else worker?.end(message.end);
    }
  }

  private lose(rank: number, lines: Follower): void {
    if (this.followers.get(rank) !== lines) return;
    this.followers.delete(rank);
    for (const [name, { end }] of this.workers)
      if (name.startsWith(`${rank}/`)) end(lost(this.cluster.addresses[rank]!));
  }
}

const key = (rank: number, attempt: number): string => `${rank}/${attempt}`;

function lost(address: string): WorkerEnd {
  return { how: `cannot be reached any more: the connection to ${address} broke off`, lastWords: '' };
}
