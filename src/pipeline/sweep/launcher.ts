import type { TimedRunEvent } from '../run/events.js';
import type { Trial } from './trial.js';

/** How one attempt of a trial is followed and stopped. */
export interface Launch {
  readonly trial: Trial;
  /** Absolute path of a file for what the process says beside its events. */
  readonly log: string;
  /** What its process has beside this one's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Interrupts the trial, which then saves what it must. */
  readonly signal: AbortSignal;
  /** Ends the trial at once. */
  readonly kill: AbortSignal;
  readonly tell: (event: TimedRunEvent) => void;
  readonly submitted: (job: string) => void;
}

/** How the process of a trial ended. */
export interface Exit {
  readonly code: number | undefined;
  /** How it ended, in words, where it was not by itself: `was killed by SIGKILL`. */
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
