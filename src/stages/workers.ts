import type { StageContext, StageWorkers } from '../pipeline/stage.js';
import { WorkerServer } from '../tensorflow/index.js';

/** The samples of a global batch that one worker computes. */
export interface BatchShare {
  /** Place of its first sample in the global batch. */
  readonly first: number;
  readonly size: number;
}

/** This worker's share of a global batch: all of it where there is one. The batch divides between them. */
export function batchShare(globalBatch: number, workers: StageWorkers | undefined): BatchShare {
  if (workers === undefined) return { first: 0, size: globalBatch };
  const size = globalBatch / workers.size;
  return { first: workers.rank * size, size };
}

/** Whether this process writes what belongs to the whole output. */
export function isFirstWorker({ workers }: StageContext): boolean {
  return workers === undefined || workers.rank === 0;
}

/** The server through which this worker's sessions reach the others; none where it is alone. */
export function workerServer({ workers, runtime }: StageContext): WorkerServer | undefined {
  return workers && new WorkerServer(workers, runtime);
}
