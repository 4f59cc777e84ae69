import type { StageRegistry } from '../pipeline/registry.js';

/** What the commands take from the outside. */
export interface Services {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly env: NodeJS.ProcessEnv;
  /** Loads the stage kinds; not needed to validate a file. */
  readonly loadRegistry: () => Promise<StageRegistry>;
  /** Ends the process at once, when it was interrupted twice. */
  readonly forceExit: (code: number) => void;
  /** Why something could not be printed so far that may be missed. Absent where printing cannot fail. */
  readonly notPrinted?: () => Promise<Error | undefined>;
}

/** Whether text to a stream may be coloured. See no-color.org and force-color.org. */
export function usesColor(stream: NodeJS.WriteStream, env: NodeJS.ProcessEnv): boolean {
  if (env.NO_COLOR) return false;
  if (env.FORCE_COLOR !== undefined) return env.FORCE_COLOR !== '0';
  return stream.isTTY && env.TERM !== 'dumb';
}

export const exitCodes = { done: 0, failed: 1, invalid: 2, interrupted: 130 } as const;
