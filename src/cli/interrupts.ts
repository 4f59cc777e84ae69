import { exitCodes } from './services.js';

/**
 * SIGINTs within this time are one: no person can have meant two, but the terminal and `npm` may both send what a single
 * Ctrl-C makes.
 */
const apartMs = 500;

/**
 * An AbortSignal that aborts at the first SIGINT, SIGTERM or SIGHUP, or when the process that started this one over a
 * channel (a sweep) dies. Only another Ctrl-C, well apart from the first, asks for more, and calls `force`: a terminal
 * that closes sends SIGHUP twice, and batch systems send several signals in a row.
 * `release` gives the signals back, unless one has come: what follows it must not end the process before its exit code.
 */
export function onInterrupt(
  stopping: () => void,
  force: (code: number) => void,
): { readonly signal: AbortSignal; release(): void } {
  const controller = new AbortController();
  let lastKeyMs: number | undefined;
  const interrupt = (): void => {
    if (controller.signal.aborted) return;
    controller.abort(new DOMException('The run was interrupted.', 'AbortError'));
    stopping();
  };
  const key = (): void => {
    const now = performance.now();
    if (lastKeyMs !== undefined && now - lastKeyMs < apartMs) return;
    const isAnother = lastKeyMs !== undefined;
    lastKeyMs = now;
    if (isAnother) force(exitCodes.interrupted);
    else interrupt();
  };
  const listeners = { SIGINT: key, SIGTERM: interrupt, SIGHUP: interrupt, disconnect: interrupt };
  for (const [name, listener] of Object.entries(listeners)) process.on(name, listener);
  return {
    signal: controller.signal,
    release: () => {
      if (controller.signal.aborted) return;
      for (const [name, listener] of Object.entries(listeners)) process.off(name, listener);
    },
  };
}
