import { Option } from 'commander';
import type { CommandDeclaration } from '../command.js';
import { parseCount, parseDuration } from '../durations.js';
import { collect, withForce, withRuns, withSet } from '../options.js';
import type { SweepCommandOptions } from './sweep.js';

export const sweepCommand: CommandDeclaration = (program, perform) =>
  withRuns(withForce(withSet(program.command('sweep').argument('<file>', 'pipeline file with a `sweep`'))))
    .description('run every trial of a sweep that is not already done, shared stages once')
    .option('--plan', 'show what is cached and what would run in each trial; nothing runs')
    .option('--until <stage>', 'the last stage that is wanted: it and what it needs')
    .option(
      '--parallel <n>',
      'trials at once (default: 1, or one a GPU where there are several; with --slurm all)',
      parseCount(1),
    )
    .option('--keep-going', 'start further trials after one has failed')
    .option('--retries <n>', 'further attempts at a trial that failed', parseCount(0), 0)
    .option(
      '--retry-pause <time>',
      'pause before the first of them, doubled with each (default: 10s)',
      parseDuration,
    )
    .option('--time-limit <time>', 'interrupt a trial that works longer, such as 2h', parseDuration)
    .addOption(
      new Option(
        '--sort <column>',
        'order the table by a key or metric, such as train.loss; -COLUMN descending',
      ).conflicts('json'),
    )
    .option('--slurm', 'submit each trial as a Slurm job')
    .option('--sbatch <option>', 'an option for sbatch, such as --sbatch=--gres=gpu:1', collect, [])
    .option('--json', 'print one event a line, as JSON')
    .action((file: string, options: SweepCommandOptions) =>
      perform(async (services) => (await import('./sweep.js')).sweep(file, options, services), {
        keepsRecords: options.plan !== true,
      }),
    );
