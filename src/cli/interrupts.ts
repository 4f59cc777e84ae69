import { exitCodes } from './services.js';

/**
 * An AbortSignal that aborts at the first SIGINT, SIGTERM or SIGHUP, or when the process that started this one over a
 * channel (a sweep) dies. The second ends the process at once.
 * `release` gives the signals back.
 */
export function onInterrupt(
  stopping: () => void,
  forceExit: (code: number) => void,
): { readonly signal: AbortSignal; release(): void } {
  const controller = new AbortController();
  const interrupt = (): void => {
    if (controller.signal.aborted) {
      forceExit(exitCodes.interrupted);
      return;
    }
    controller.abort(new DOMException('The run was interrupted.', 'AbortError'));
    stopping();
  };
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const name of names) process.on(name, interrupt);
  process.on('disconnect', interrupt);
  return {
    signal: controller.signal,
    release: () => {
      for (const name of names) process.off(name, interrupt);
      process.off('disconnect', interrupt);
    },
  };
}
