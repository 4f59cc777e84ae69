import { InvalidArgumentError, Option } from 'commander';
import type { InitOptions } from '../commands/init.js';
import type { SweepCommandOptions } from '../commands/sweep.js';
import type { AcceptOptions } from '../commands/accept.js';
import type { ValidateOptions } from '../commands/validate.js';
import type { LockOptions } from '../commands/lock.js';
import type { CalibrateCommandOptions } from '../commands/calibrate.js';
import {
  collect,
  parseCount,
  parseDuration,
  type PlanCommandOptions,
  type RunCommandOptions,
  withForce,
  withPlanOptions,
  withPull,
  withRuns,
  withSet,
  type CommandDeclarations,
} from '../options.js';
import { type StarterSize, starterSizes } from '../starter.js';

/** Commands about pipeline files, in the order in which help lists them. */
export const pipelineCommands: CommandDeclarations = {
  init: (program, perform) =>
    program
      .command('init')
      .argument('[images]', 'folder of class folders, or files that hold images', '.')
      .description('look at images and this machine, and write a pipeline that fits the time there is')
      .option('--budget <time>', 'time that a run may take, such as 30min or 8h', parseDuration)
      .addOption(
        new Option('--size <pixels>', 'size of the images: 32, 64, 128 or 256').argParser(parseStarterSize),
      )
      .option('--output <file>', 'file to write (default: the name of the images, in the current folder)')
      .option('--yes', 'ask nothing: take what is suggested')
      .option('--force', 'replace the file if it is there')
      .action((images: string, options: InitOptions) =>
        perform(async (services) => (await import('../commands/init.js')).init(images, options, services)),
      ),

  run: (program, perform) =>
    withPlanOptions(program.command('run'))
      .description('run what is not already done, and resume what was interrupted')
      .option('--no-lock', 'skip writing the lock beside the file')
      .option(
        '--profile <steps>',
        'profile this many steps of each stage that runs: write a Chrome trace, show the costliest operations',
        parseCount(1),
      )
      .addOption(new Option('--forced-since <time>').hideHelp())
      .option('--json', 'print events as JSON, one per line')
      .action((file: string, options: RunCommandOptions) =>
        perform(async (services) => (await import('../commands/run.js')).run(file, options, services), {
          keepsRecords: true,
        }),
      ),

  validate: (program, perform) =>
    withSet(program.command('validate'))
      .description('check pipeline files; every problem is shown, nothing runs')
      .argument('<file...>', 'pipeline files')
      .option('--stdin', 'check the text from standard input in place of what the file holds')
      .option('--json', 'print problems, and the stages of valid files, as JSON')
      .action((files: string[], options: ValidateOptions) =>
        perform(async (services) =>
          (await import('../commands/validate.js')).validate(files, options, services),
        ),
      ),

  plan: (program, perform) =>
    withPlanOptions(program.command('plan'))
      .description('show which stages are cached and which would run, and why; nothing runs')
      .addOption(
        new Option(
          '--resolved',
          'print the whole configuration, and where each value comes from, instead',
        ).conflicts(['until', 'locked', 'force', 'pull', 'runs', 'time']),
      )
      .option('--time', 'measure this machine, in seconds, for stages whose time no earlier run tells')
      .option('--json', 'print the plan as JSON')
      .action((file: string, options: PlanCommandOptions & { readonly resolved?: boolean }) =>
        perform(async (services) =>
          options.resolved === true
            ? (await import('../commands/plan.js')).planResolved(file, options, services)
            : (await import('../commands/plan.js')).plan(file, options, services),
        ),
      ),

  sweep: (program, perform) =>
    withRuns(
      withForce(
        withPull(
          withSet(
            program.command('sweep').argument('<file>', 'pipeline file with a `sweep`, or with `--grid`'),
          ),
        ),
      ),
    )
      .description('run every trial of a sweep that is not already done, shared stages once')
      .option(
        '--grid <key=values>',
        'vary a value, such as stages.train.model.mediators=4,16,64; many keys: every combination',
        collect,
        [],
      )
      .option('--plan', 'show what is cached and what would run in each trial; nothing runs')
      .option('--until <stage>', 'stop after this stage: only it and what it needs')
      .option(
        '--parallel <n>',
        'trials at once (default: 1, or one a GPU where there are several; with --slurm all)',
        parseCount(1),
      )
      .option('--keep-going', 'start further trials after one has failed')
      .option('--retries <n>', 'further attempts at a trial that failed', parseCount(0), 0)
      .option(
        '--retry-pause <time>',
        'pause before the first retry, doubled for each further one (default: 10s)',
        parseDuration,
      )
      .option('--time-limit <time>', 'interrupt a trial that runs longer, such as 2h', parseDuration)
      .addOption(
        new Option(
          '--sort <column>',
          'order the table by a key or metric, such as train.loss; -COLUMN descending',
        ).conflicts('json'),
      )
      .option('--slurm', 'submit each trial as a Slurm job')
      .option('--sbatch <option>', 'an option for sbatch, such as --sbatch=--gres=gpu:1', collect, [])
      .option('--json', 'print events as JSON, one per line')
      .action((file: string, options: SweepCommandOptions) =>
        perform(async (services) => (await import('../commands/sweep.js')).sweep(file, options, services), {
          keepsRecords: options.plan !== true,
        }),
      ),

  accept: (program, perform) =>
    withRuns(
      withSet(
        program
          .command('accept')
          .argument('<file>', 'pipeline file')
          .argument('<stage...>', 'stages whose latest output to accept for what the file asks for now'),
      ),
    )
      .description(
        'keep the latest output of a stage although it would run again; plan, lock and report mention it',
      )
      .action((file: string, stages: string[], options: AcceptOptions) =>
        perform(async (services) =>
          (await import('../commands/accept.js')).accept(file, stages, options, services),
        ),
      ),

  lock: (program, perform) =>
    withRuns(withSet(program.command('lock').argument('<file>', 'pipeline file')))
      .description(
        'write the results of a finished pipeline to NAME.lock.yaml, for version control and --locked',
      )
      .action((file: string, options: LockOptions) =>
        perform(async (services) => (await import('../commands/lock.js')).lock(file, options, services)),
      ),

  calibrate: (program, perform) =>
    withRuns(withSet(program.command('calibrate')))
      .description('find the ratios at which the phases of a sample stage should switch')
      .argument('<file>', 'pipeline file')
      .option('--stage <stage>', 'the sample stage (optional if only one has phases)')
      .option('--samples <count>', 'samples to follow', parseCount(2), 256)
      .option('--replays <count>', 'sets of ratios to follow in full', parseCount(1), 8)
      .option(
        '--save <percent>',
        'choose the least deviation that saves this much (default: the knee of the frontier)',
        percent,
      )
      .option('--write <file>', 'write the chosen ratios into this pipeline file, keeping its comments')
      .option('--json', 'print events as JSON, one per line, then the frontier')
      .action((file: string, options: CalibrateCommandOptions) =>
        perform(async (services) =>
          (await import('../commands/calibrate.js')).calibrate(file, options, services),
        ),
      ),
};

function percent(text: string): number {
  const value = Number(text.replace(/%$/, ''));
  if (value >= 0 && value < 100) return value / 100;
  throw new InvalidArgumentError('It must be a percentage below 100.');
}

function parseStarterSize(text: string): StarterSize {
  const size = starterSizes.find((each) => String(each) === text);
  if (size !== undefined) return size;
  throw new InvalidArgumentError(`One of ${starterSizes.join(', ')} was expected.`);
}
