import { createHash } from 'node:crypto';
import type { FromWorker, ToWorker } from '../messages.js';
import type { WorkerEnd } from '../worker.js';
import type { Cluster } from './cluster.js';

/** What process 0 tells another process of its cluster. `attempt` numbers the workers that it starts there. */
export type ToFollower =
  | { readonly type: 'start'; readonly attempt: number }
  | { readonly type: 'tell'; readonly attempt: number; readonly message: ToWorker }
  | { readonly type: 'kill'; readonly attempt: number }
  /** The run has ended. */
  | { readonly type: 'end'; readonly exitCode: number };

/** What another process tells process 0. */
export type FromFollower =
  | { readonly type: 'hello'; readonly rank: number; readonly group: string }
  /** It was interrupted, and so all are. */
  | { readonly type: 'interrupt' }
  | { readonly type: 'told'; readonly attempt: number; readonly message: FromWorker }
  | { readonly type: 'ended'; readonly attempt: number; readonly end: WorkerEnd };

/** Tells processes of one cluster from those of another that found the same port. */
export function groupName({ addresses, source }: Cluster): string {
  return createHash('sha256').update(`${source} ${addresses.join()}`).digest('hex').slice(0, 16);
}
