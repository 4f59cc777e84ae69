import { isAbortError } from '../streams/index.js';
import { runHere } from '../pipeline/run/expected-reads.js';
import type { StageRegistry } from '../pipeline/registry.js';
import { type FromWorker, type ToWorker, aliveEveryMs } from './messages.js';
import { contextOf, failureOf } from './worker-task.js';

/** A worker's connection to its supervisor. */
export interface Supervisor {
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
