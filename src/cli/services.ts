import { isAbsolute, relative } from 'node:path';
import { shellWord } from '../base/format.js';
import type { StageRegistry } from '../runner/stage.js';

/** Surroundings that the commands take from the outside. */
export interface Services {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly env: NodeJS.ProcessEnv;
  /** Loads the stage kinds; not needed to validate a file. */
  readonly loadRegistry: () => Promise<StageRegistry>;
  /** Ends the process at once, when it was interrupted twice. */
  readonly forceExit: (code: number) => void;
  /** Tells why something could not be printed so far that may be missed. Absent where printing cannot fail. */
  readonly notPrinted?: () => Promise<Error | undefined>;
}

/** True when text to a stream may be coloured. See no-color.org and force-color.org. */
export function usesColor(stream: NodeJS.WriteStream, env: NodeJS.ProcessEnv): boolean {
  if (env.NO_COLOR) return false;
  if (env.FORCE_COLOR !== undefined) return env.FORCE_COLOR !== '0';
  return stream.isTTY && env.TERM !== 'dumb';
}

export const exitCodes = { done: 0, failed: 1, invalid: 2, interrupted: 130 } as const;

/** A path as short as it can be typed here: relative where it lies under the current folder, otherwise absolute. */
export function shortPath(path: string): string {
  const short = relative(process.cwd(), path);
  return short === '' ? '.' : short.startsWith('..') || isAbsolute(short) ? path : short;
}

/** The short path as a word of a command. */
export function commandPath(path: string): string {
  return shellWord(shortPath(path));
}

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

let wrapped: (text: string, width: number) => string = (text) => text;

/** Loads what breaks lines, where a stream is a terminal: nobody else waits for it. */
export async function loadWrapping(streams: readonly NodeJS.WriteStream[]): Promise<void> {
  if (streams.some(({ isTTY }) => isTTY)) ({ wrap: wrapped } = await import('./wrap.js'));
}

/** Writes text, wrapped between words where the stream is a terminal. */
export function say(stream: NodeJS.WriteStream, text: string): void {
  stream.write(stream.isTTY && stream.columns > 0 ? wrapped(text, stream.columns) : text);
}
