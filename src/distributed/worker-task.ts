import { describeFailure } from '../pipeline/run/failure.js';
import { inputOf } from '../pipeline/run/stage-context.js';
import type { StageContext, StageWork, StageWorkers } from '../pipeline/stage.js';
import { UserError } from '../errors.js';
import type { WorkerFailure, WorkerTask } from './messages.js';

/** A worker's share of a stage, as plain data. */
export function taskOf(
  { kind, config, context, inputs }: StageWork,
  rank: number,
  addresses: readonly string[],
  threads: number,
): WorkerTask {
  const { id, pipelineName, pipelineDirectory, seed, directory, origin, reads, profile } = context;
  const runtime = { ...context.runtime, threads };
  return {
    ...{ kind: kind.name, config, id, pipelineName, pipelineDirectory, seed, runtime, directory },
    ...{ inputs, rank, addresses },
    ...(origin && { origin }),
    ...(reads && { reads }),
    ...(profile && rank === 0 && { profile }),
  };
}

/** The context in which a worker runs its task. */
export function contextOf(
  task: WorkerTask,
  signal: AbortSignal,
  othersDone: StageWorkers['othersDone'],
): StageContext {
  const { id, pipelineName, pipelineDirectory, seed, runtime, directory, origin, reads, profile } = task;
  const { inputs, rank, addresses } = task;
  return {
    ...{ id, pipelineName, pipelineDirectory, seed, runtime, directory, signal },
    ...(origin && { origin }),
    ...(reads && { reads }),
    ...(profile && { profile }),
    input: inputOf(id, inputs),
    workers: { rank, size: addresses.length, addresses, othersDone },
  };
}

/** TensorFlow's codes of errors that another process's end brings about: cancelled, aborted, unavailable and kin. */
const broken = new Set([1, 4, 10, 13, 14]);

/** A worker's error as plain data. */
export function failureOf(error: unknown, directory: string): WorkerFailure {
  const { statusCode } = error as { readonly statusCode?: number };
  return {
    ...describeFailure(error, directory),
    consequence: statusCode !== undefined && broken.has(statusCode),
  };
}

/** The error that a worker's failure stands for. */
export function errorOf({ code, message, remedy, stack }: WorkerFailure, rank: number): Error {
  if (code !== undefined) return new UserError({ code, message, ...(remedy !== undefined && { remedy }) });
  const error = new Error(`${message} (worker ${rank})`);
  if (stack !== undefined) error.stack = stack;
  return error;
}
