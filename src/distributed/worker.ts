import type { Observable } from 'rxjs';
import type { FromWorker, ToWorker } from './messages.js';

/** A process that runs its part of a stage, as its supervisor sees it, on this machine or another. */
export interface Worker {
  readonly rank: number;
  /** What it tells. Completes, once it has ended, without an error. */
  readonly messages: Observable<FromWorker>;
  /** How it ended, such as `was killed by SIGKILL`, with what it last wrote to stderr. */
  readonly ended: Promise<WorkerEnd>;
  send(message: ToWorker): void;
  /** Ends it at once. */
  kill(): void;
}

export interface WorkerEnd {
  readonly how: string;
  /** The last lines of its stderr. */
  readonly lastWords: string;
}
