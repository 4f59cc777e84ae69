import { concat, defer, ignoreElements, type Observable } from 'rxjs';
import type { StageContext, StageEvent, StageWorkers } from '../../runner/stage.js';
import { WorkerServer } from '../../tensorflow/index.js';

/** The samples of a global batch that one worker computes. */
export interface BatchShare {
  /** Place of its first sample in the global batch. */
  readonly first: number;
  readonly size: number;
}

/** Share of a global batch that this worker computes: all of it where there is one. The batch divides between them. */
export function batchShare(globalBatch: number, workers: StageWorkers | undefined): BatchShare {
  if (workers === undefined) return { first: 0, size: globalBatch };
  const size = globalBatch / workers.size;
  return { first: workers.rank * size, size };
}

/** Units of work, from `first` to before `end`. */
export interface Share {
  readonly first: number;
  readonly end: number;
}

/** A worker's share of units of work that do not depend on each other: successive ones, by its rank alone. */
export function shareOf(units: number, { rank, size }: Pick<StageWorkers, 'rank' | 'size'>): Share {
  return { first: Math.floor((rank * units) / size), end: Math.floor(((rank + 1) * units) / size) };
}

/**
 * Work that the workers of a stage share out. Each does its own part. The first then waits for the others, does what is
 * left, of an interrupted run for instance, and puts all together. A stage that runs alone does the latter only.
 */
export function sharedOut(
  { workers }: Pick<StageContext, 'workers'>,
  ownPart: (workers: StageWorkers) => Observable<StageEvent>,
  whole: () => Observable<StageEvent>,
): Observable<StageEvent> {
  if (workers === undefined) return defer(whole);
  const own = defer(() => ownPart(workers));
  if (workers.rank > 0) return own;
  return concat(own, defer(() => workers.othersDone()).pipe(ignoreElements()), defer(whole));
}

/** True when this process writes what belongs to the whole output. */
export function isFirstWorker({ workers }: Pick<StageContext, 'workers'>): boolean {
  return workers === undefined || workers.rank === 0;
}

/** The server through which this worker's sessions reach the others; none where it is alone. */
export function workerServer({ workers, runtime }: StageContext): WorkerServer | undefined {
  return workers && new WorkerServer(workers, runtime);
}
