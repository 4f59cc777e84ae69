import { InvalidArgumentError } from 'commander';
import type { CommandDeclaration } from '../command.js';
import { withRuns } from '../options.js';
import type { GcOptions } from './gc.js';

export const gcCommand: CommandDeclaration = (program, perform) =>
  withRuns(
    program
      .command('gc')
      .argument('[file...]', 'pipeline files whose outputs are kept, beside those of all runs'),
  )
    .description(
      'show outputs that no run, lock or pipeline file refers to, with their sizes; --yes removes them',
    )
    .option('--yes', 'remove them')
    .option('--older-than <hours>', 'keep what changed within these hours', parseHours, 24)
    .option('--forget <file...>', 'pipeline files that ran here and are gone for good: keep nothing for them')
    .option('--json', 'print what was found as JSON')
    .action((files: string[], options: GcOptions) =>
      perform(async (services) => (await import('./gc.js')).gc(files, options, services)),
    );

function parseHours(value: string): number {
  const hours = Number(value);
  if (value.trim() === '' || !Number.isFinite(hours) || hours < 0)
    throw new InvalidArgumentError('A number of hours from 0 is expected.');
  return hours;
}
