import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import type { RuntimeConfig } from '../runner/stage.js';
import type { Cluster } from './cluster.js';
import type { FromWorker, ToWorker, WorkerEnd } from './worker.js';

type Device = RuntimeConfig['device'];
const devices: readonly Device[] = ['auto', 'cpu', 'gpu'];

/** Message from process 0 to another process of its cluster. `attempt` numbers the workers that it starts there. */
export type ToFollower =
  | { readonly type: 'start'; readonly attempt: number; readonly device: Device }
  | { readonly type: 'tell'; readonly attempt: number; readonly message: ToWorker }
  | { readonly type: 'kill'; readonly attempt: number }
  /** The run has ended. */
  | { readonly type: 'end'; readonly exitCode: number };

/** Message from another process to process 0. */
export type FromFollower =
  | { readonly type: 'hello'; readonly rank: number; readonly group: string }
  /** Message that it was interrupted, and so all are. */
  | { readonly type: 'interrupt' }
  | { readonly type: 'told'; readonly attempt: number; readonly message: FromWorker }
  | { readonly type: 'ended'; readonly attempt: number; readonly end: WorkerEnd };

type Shape = Readonly<Record<string, unknown>>;

/** Reads a follower's line; undefined where it is no such message. */
export function fromFollower(value: unknown): FromFollower | undefined {
  return isOneOf(followerKinds, value) ? (value as FromFollower) : undefined;
}

/** Reads a leader's line; undefined where it is no such message. */
export function toFollower(value: unknown): ToFollower | undefined {
  return isOneOf(leaderKinds, value) ? (value as ToFollower) : undefined;
}

/** Tests of whole messages, by their type. */
type Kinds = ReadonlyMap<unknown, (message: Shape) => boolean>;

const isShape = (value: unknown): value is Shape =>
  typeof value === 'object' && value !== null && typeof (value as Shape).type === 'string';
const isOneOf = (kinds: Kinds, value: unknown): boolean =>
  isShape(value) && kinds.get(value.type)?.(value) === true;
const hasAttempt = ({ attempt }: Shape): boolean => Number.isSafeInteger(attempt);
const isExitCode = (value: unknown): boolean =>
  Number.isInteger(value) && Number(value) >= 0 && Number(value) < 256;

const leaderKinds: Kinds = new Map<ToFollower['type'], (message: Shape) => boolean>([
  ['start', (message) => hasAttempt(message) && devices.includes(message.device as Device)],
  ['tell', (message) => hasAttempt(message) && isShape(message.message)],
  ['kill', hasAttempt],
  ['end', ({ exitCode }) => isExitCode(exitCode)],
]);

const followerKinds: Kinds = new Map<FromFollower['type'], (message: Shape) => boolean>([
  ['hello', ({ rank, group }) => Number.isSafeInteger(rank) && typeof group === 'string'],
  ['interrupt', () => true],
  ['told', (message) => hasAttempt(message) && isFromWorker(message.message)],
  ['ended', (message) => hasAttempt(message) && isEnd(message.end)],
]);

function isEnd(value: unknown): boolean {
  const { how, lastWords } = (value ?? {}) as Shape;
  return typeof how === 'string' && typeof lastWords === 'string';
}

function isFromWorker(value: unknown): boolean {
  if (!isShape(value)) return false;
  if (value.type === 'event') return isShape(value.event);
  if (value.type !== 'failed')
    return ['pulse', 'alive', 'done', 'interrupted'].includes(value.type as string);
  const { message, consequence } = (value.failure ?? {}) as Shape;
  return typeof message === 'string' && typeof consequence === 'boolean';
}

/** Tells processes of one cluster from those of another that found the same port. */
export function groupName({ addresses, source }: Cluster): string {
  return createHash('sha256').update(`${source} ${addresses.join()}`).digest('hex').slice(0, 16);
}

/** More than any message has. What sends more without an end of line is none of ours. */
const longestLine = 16 * 2 ** 20;

/** Messages as lines of JSON over a connection. It ends where something else comes. */
export class MessageLines<Out, In> {
  /** Resolves when the connection has ended, for whatever reason. */
  readonly closed: Promise<void>;

  /** @param read gives the message that a value is; undefined where it is none */
  constructor(
    private readonly socket: Socket,
    read: (value: unknown) => In | undefined,
    listener: (message: In) => void,
  ) {
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 5_000);
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        resolve();
      });
    });
    // What is wrong shows as the end of the connection.
    socket.on('error', () => undefined);
    let rest = '';
    socket.setEncoding('utf8').on('data', (text: string) => {
      const lines = text.split('\n');
      lines[0] = rest + lines[0]!;
      rest = lines.pop()!;
      if (rest.length > longestLine) this.destroy();
      for (const line of lines) {
        if (socket.destroyed) return;
        const message = read(parsed(line));
        if (message === undefined) this.destroy();
        else listener(message);
      }
    });
  }

  send(message: Out): void {
    if (this.socket.writable) this.socket.write(`${JSON.stringify(message)}\n`);
  }

  /** Ends the connection once what was sent has left. */
  end(): void {
    this.socket.end();
  }

  destroy(): void {
    this.socket.destroy();
  }
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
