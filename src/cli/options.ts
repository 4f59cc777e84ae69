import { type Command, InvalidArgumentError } from 'commander';
import type { Services } from './services.js';

/**
 * Does a command's work; its exit code becomes the program's. What cannot be printed fails a command that exists to print
 * something; one that `keepsRecords` of what it does only warns.
 */
type Perform = (
  work: (services: Services) => Promise<number>,
  options?: { readonly keepsRecords: boolean },
) => Promise<void>;

/** Adds a command to the command line. What the command does is loaded when it is called, so that help stays fast. */
type CommandDeclaration = (program: Command, perform: Perform) => void;

/** Declarations of commands by the commands' names, in the order in which help lists them. */
export type CommandDeclarations = Readonly<Record<string, CommandDeclaration>>;

/** Options that say what is to be done with a file, as commands get them. */
export interface PlanCommandOptions {
  readonly set: string[];
  readonly until?: string;
  readonly force: string[];
  readonly runs?: string;
  readonly json?: boolean;
  readonly locked?: boolean;
  /** Address of outputs that count as made. */
  readonly pull?: string;
  /** True to measure how long stages take that no record tells of. */
  readonly time?: boolean;
}

export interface RunCommandOptions extends PlanCommandOptions {
  /** False where no lock is to be written. */
  readonly lock: boolean;
  /** ISO 8601: when forcing began, for a trial of a sweep. */
  readonly forcedSince?: string;
  /** Steps of each stage to profile. */
  readonly profile?: number;
}

/** Collects the values of an option that may be given many times. */
export const collect = (value: string, earlier: readonly string[]): string[] => [...earlier, value];

export function withSet(command: Command): Command {
  return command.option('--set <key=value>', 'override a value, such as stages.train.steps=100', collect, []);
}

export function withRuns(command: Command): Command {
  return command.option(
    '--runs <folder>',
    'folder of all runs (default: $PIPELINE_RUNS, or runs/ in the project)',
  );
}

export function withForce(command: Command): Command {
  return command.option(
    '--force <stage>',
    'run this stage, and what depends on it, even if it is cached',
    collect,
    [],
  );
}

export function withPull(command: Command): Command {
  return command.option(
    '--pull <remote>',
    'bring outputs that this remote of rclone has, rather than make them',
  );
}

/** The argument and options of commands that look at what is to be done with one file. */
export function withPlanOptions(command: Command): Command {
  return withRuns(
    withForce(
      withPull(
        withSet(command.argument('<file>', 'pipeline file'))
          .option('--until <stage>', 'stop after this stage: only it and what it needs')
          .option('--locked', 'fail on any difference from the lock beside the file'),
      ),
    ),
  );
}

const secondsIn: Readonly<Record<string, number>> = { s: 1, m: 60, min: 60, h: 3600, d: 86_400 };

/** Reads a time such as `90s`, `30min`, `1h30m` or `2d`, in seconds. For an option of a command. */
export function parseDuration(text: string): number {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)\s*(min|[smhd])\s*/g)];
  const isWhole = parts.reduce((sum, [part]) => sum + part.length, 0) === text.length;
  const seconds = parts.reduce((sum, [, count, unit]) => sum + Number(count) * secondsIn[unit!]!, 0);
  if (parts.length === 0 || !isWhole || seconds <= 0)
    throw new InvalidArgumentError('A time such as 90s, 30min, 1h30m or 2d was expected.');
  return seconds;
}

/** Reads a whole number that is at least `least`. For an option of a command. */
export function parseCount(least: number): (text: string) => number {
  return (text) => {
    if (/^\d+$/.test(text) && Number(text) >= least) return Number(text);
    throw new InvalidArgumentError(`A whole number of at least ${least} was expected.`);
  };
}

/** Reads a number within a range, which is named as in `A number from 0 to 1`. For an option of a command. */
export function parseNumber(range: string, isWithin: (value: number) => boolean): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && Number.isFinite(value) && isWithin(value)) return value;
    throw new InvalidArgumentError(`A number ${range} was expected.`);
  };
}
