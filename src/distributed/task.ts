import { UserError } from '../base/errors.js';
import { isAbortError } from '../base/streams.js';
import { runHere } from '../runner/run/expected-reads.js';
import { describeFailure } from '../runner/run/run-stage.js';
import { inputOf } from '../runner/run/stage-context.js';
import type { StageContext, StageRegistry, StageWork, StageWorkers } from '../runner/stage.js';
import { aliveEveryMs } from './worker.js';
import type { FromWorker, ToWorker, WorkerFailure, WorkerTask } from './worker.js';

/** A worker's share of a stage, as plain data. */
export function taskOf(
  { kind, config, context, inputs }: StageWork,
  rank: number,
  addresses: readonly string[],
  threads: number,
): WorkerTask {
  const { id, pipelineName, pipelineDirectory, seed, directory, origin, reads, pins, profile } = context;
  const runtime = { ...context.runtime, threads };
  return {
    ...{ kind: kind.name, config, id, pipelineName, pipelineDirectory, seed, runtime, directory },
    ...{ inputs, rank, addresses },
    ...(origin && { origin }),
    ...(reads && { reads }),
    ...(pins && { pins }),
    ...(profile && rank === 0 && { profile }),
  };
}

/** The context in which a worker runs its task. */
function contextOf(
  task: WorkerTask,
  signal: AbortSignal,
  othersDone: StageWorkers['othersDone'],
): StageContext {
  const { id, pipelineName, pipelineDirectory, seed, runtime, directory, origin, reads, pins, profile } =
    task;
  const { inputs, rank, addresses } = task;
  return {
    ...{ id, pipelineName, pipelineDirectory, seed, runtime, directory, signal },
    ...(origin && { origin }),
    ...(reads && { reads }),
    ...(pins && { pins }),
    ...(profile && { profile }),
    input: inputOf(id, inputs),
    ...(addresses.length > 1 && { workers: { rank, size: addresses.length, addresses, othersDone } }),
  };
}

/** TensorFlow's codes of errors that another process's end brings about: cancelled, aborted, unavailable and kin. */
const broken = new Set([1, 4, 10, 13, 14]);

/** A worker's error as plain data. */
function failureOf(error: unknown, directory: string): WorkerFailure {
  const { statusCode } = error as { readonly statusCode?: number };
  return {
    ...describeFailure(error, directory),
    consequence: statusCode !== undefined && broken.has(statusCode),
  };
}

/** The error that a worker's failure stands for. @param rank undefined where it works alone */
export function errorOf({ code, message, remedy, stack }: WorkerFailure, rank: number | undefined): Error {
  if (code !== undefined) return new UserError({ code, message, ...(remedy !== undefined && { remedy }) });
  const error = new Error(rank === undefined ? message : `${message} (worker ${rank})`);
  if (stack !== undefined) error.stack = stack;
  return error;
}

/** A worker's connection to its supervisor. */
interface Supervisor {
  send(message: FromWorker): Promise<void>;
  onMessage(listener: (message: ToWorker) => void): void;
}

/** Waits for a task, runs it, and tells how it went. */
export async function performTask(supervisor: Supervisor, registry: StageRegistry): Promise<void> {
  const interruption = new AbortController();
  let othersDone!: () => void;
  const others = new Promise<void>((resolve) => (othersDone = resolve));
  const task = await new Promise<Extract<ToWorker, { type: 'work' }>['task']>((resolve) => {
    supervisor.onMessage((message) => {
      if (message.type === 'work') resolve(message.task);
      else if (message.type === 'others-done') othersDone();
      else interruption.abort(new DOMException('The run was interrupted.', 'AbortError'));
    });
  });
  const heartbeat = setInterval(() => void supervisor.send({ type: 'alive' }), aliveEveryMs);
  try {
    const kind = await registry.load(task.kind);
    const context = contextOf(task, interruption.signal, () => others);
    await runHere<never>(kind, task.config as never, context).forEach((event) => {
      void supervisor.send({ type: 'event', event });
    });
    await supervisor.send({ type: 'done' });
  } catch (error) {
    const interrupted = isAbortError(error);
    await supervisor.send(
      interrupted ? { type: 'interrupted' } : { type: 'failed', failure: failureOf(error, task.directory) },
    );
  } finally {
    clearInterval(heartbeat);
  }
}
