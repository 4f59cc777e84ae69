import type { Observable } from 'rxjs';
import type { Failure } from '../runner/run/events.js';
import type { StageContext, StageEvent, StageOutput } from '../runner/stage.js';

/** A process that runs its part of a stage, as its supervisor sees it, on this machine or another. */
export interface Worker {
  readonly rank: number;
  /** Messages of the worker. Completes, once it has ended, without an error. */
  readonly messages: Observable<FromWorker>;
  /** Reason of its end, such as `was killed by SIGKILL`, with what it last wrote to stderr. */
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

/** Task of a worker: all that it needs to run its part of a stage. Plain data: it crosses processes and machines. */
export interface WorkerTask extends Pick<
  StageContext,
  | 'id'
  | 'pipelineName'
  | 'pipelineDirectory'
  | 'seed'
  | 'runtime'
  | 'directory'
  | 'origin'
  | 'reads'
  | 'pins'
  | 'profile'
> {
  readonly kind: string;
  readonly config: unknown;
  readonly inputs: readonly StageOutput[];
  readonly rank: number;
  readonly addresses: readonly string[];
}

/** Message from the supervisor to a worker. */
export type ToWorker =
  | { readonly type: 'work'; readonly task: WorkerTask }
  /** Stop as on an interruption: save first. */
  | { readonly type: 'stop' }
  /** Every other worker has done its part. */
  | { readonly type: 'others-done' };

/** Message from a worker to its supervisor. */
export type FromWorker =
  /** Sent at an interval for as long as the process runs, also where it cannot attend to anything. */
  | { readonly type: 'pulse' }
  /** Sent at an interval for as long as it attends to what it is told. */
  | { readonly type: 'alive' }
  | { readonly type: 'event'; readonly event: StageEvent }
  | { readonly type: 'done' }
  | { readonly type: 'interrupted' }
  | { readonly type: 'failed'; readonly failure: WorkerFailure };

export interface WorkerFailure extends Failure {
  /** True when it may follow from the failure of another worker: an exchange with others broke off. */
  readonly consequence: boolean;
}

/** Time between two signs of life. */
export const aliveEveryMs = 2_000;

/** The hidden command that runs as a worker. */
export const workerCommand = 'worker';
