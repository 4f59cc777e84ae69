import { Option } from 'commander';
import type { CommandDeclaration } from '../command.js';
import { parseCount } from '../durations.js';
import { type RunCommandOptions, withPlanOptions } from '../options.js';

export const runCommand: CommandDeclaration = (program, perform) =>
  withPlanOptions(program.command('run'))
    .description('run what is not already done, and resume what was interrupted')
    .option('--no-lock', 'leave the lock beside the file as it is')
    .option(
      '--profile <steps>',
      'write so many steps of each stage that runs as a Chrome trace, and show the costliest operations',
      parseCount(1),
    )
    .addOption(new Option('--forced-since <time>').hideHelp())
    .option('--json', 'print one event a line, as JSON')
    .action((file: string, options: RunCommandOptions) =>
      perform(async (services) => (await import('./run.js')).run(file, options, services), {
        keepsRecords: true,
      }),
    );
