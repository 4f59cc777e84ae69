import { UserError } from '../../base/errors.js';
import { holdLifeline } from '../../distributed/lifeline.js';
import { performTask } from '../../distributed/task.js';
import type { ToWorker } from '../../distributed/worker.js';
import { exitCodes, type Services } from '../services.js';

/** `pipeline worker`: runs a share of a stage for the process that started this one. Gives the exit code. */
export async function worker({ loadRegistry }: Services): Promise<number> {
  if (process.send === undefined)
    throw new UserError({
      code: 'not-a-worker',
      usage: true,
      message: 'This command is started by `npx pipeline run` where it computes with several workers.',
      remedy: 'Use `npx pipeline run` and `runtime.workers`.',
    });
  // The terminal's interruption reaches the supervisor too, which tells what to do.
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => undefined);
  holdLifeline();
  await performTask(
    {
      send: (message) =>
        new Promise((resolve) => {
          process.send!(message, undefined, undefined, () => {
            resolve();
          });
        }),
      onMessage: (listener) =>
        void process.on('message', (message) => {
          listener(message as ToWorker);
        }),
    },
    await loadRegistry(),
  );
  return exitCodes.done;
}
