import { execa } from 'execa';
import { asUserError, openFile } from '../../base/files.js';
import type { TimedRunEvent } from '../run/events.js';
import type { Trial } from './trial.js';

/** Handle to follow and stop one attempt of a trial. */
interface Launch {
  readonly trial: Trial;
  /** Absolute path of a file for what the process says beside its events. */
  readonly log: string;
  /** Variables that its process has beside this one's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Interrupts the trial, which then saves what it must. */
  readonly signal: AbortSignal;
  /** Ends the trial at once. */
  readonly kill: AbortSignal;
  readonly tell: (event: TimedRunEvent) => void;
  readonly submitted: (job: string) => void;
}

/** End of a trial's process. */
export interface Exit {
  readonly code: number | undefined;
  /** Reason of its end, in words, where it was not by itself: `was killed by SIGKILL`. */
  readonly because?: string;
}

/** Runs one attempt of a trial in a process of its own: on this machine, or as a job of a cluster. */
export type Launcher = (launch: Launch) => Promise<Exit>;

/** The command that a trial's process runs, program first. */
export interface TrialCommand {
  /** The program and its arguments up to the name of a command. */
  readonly entry: readonly string[];
  /** Options of every trial, such as `--set` options of the sweep itself. */
  readonly options: readonly string[];
  readonly file: string;
}

/** The whole command line of a trial. */
export function commandLine({ entry, options, file }: TrialCommand, { set }: Trial): readonly string[] {
  return [...entry, 'run', file, '--json', ...options, ...set.flatMap((option) => ['--set', option])];
}

/** An event that a trial's process printed, where the line is one. */
export function parseEvent(line: string): TimedRunEvent | undefined {
  try {
    const event = JSON.parse(line) as TimedRunEvent;
    return typeof event.type === 'string' ? event : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Runs trials as processes of this machine. Each is a process group of its own, so that Ctrl-C reaches it through its
 * sweep only, and interrupts itself when the sweep dies: the channel between the two closes.
 */
export function localLauncher(command: TrialCommand): Launcher {
  return async ({ trial, log, env = {}, signal, kill, tell }) => {
    const [program, ...args] = commandLine(command, trial);
    // The trial's own, not passed on by its sweep: it outlives the sweep's death and a full disk.
    const words = await openFile(log, 'a').catch((error: unknown) => {
      throw asUserError(error, log);
    });
    const child = execa(program!, args, {
      detached: true,
      env,
      reject: false,
      buffer: false,
      ipc: true,
      stdin: 'ignore',
      // Any descriptor will do; the types list those of one digit.
      stderr: words.fd as 3,
    });
    const interrupt = (): void => void child.kill('SIGINT');
    const end = (): void => void child.kill('SIGKILL');
    signal.addEventListener('abort', interrupt);
    kill.addEventListener('abort', end);
    if (signal.aborted) interrupt();
    try {
      for await (const line of child.iterable()) {
        const event = parseEvent(line);
        if (event) tell(event);
      }
      const { exitCode, signal: by, originalMessage } = await child;
      const because = by === undefined ? originalMessage : `was killed by ${by}`;
      return { code: exitCode, ...(exitCode === undefined && because !== undefined && { because }) };
    } finally {
      signal.removeEventListener('abort', interrupt);
      kill.removeEventListener('abort', end);
      await words.close();
    }
  };
}
