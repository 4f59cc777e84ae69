import { Argument, type Command, InvalidArgumentError, Option } from 'commander';
import { workerCommand as name } from '../distributed/worker.js';
import { type RunState, runStates } from '../runner/runs/run.js';
import type { AcceptOptions } from './commands/accept.js';
import type { CalibrateCommandOptions } from './commands/calibrate.js';
import type { CompareOptions } from './commands/compare.js';
import type { ExportOptions } from './commands/export.js';
import type { GcOptions } from './commands/gc.js';
import type { ImportOptions } from './commands/import.js';
import type { InitOptions } from './commands/init.js';
import type { LockOptions } from './commands/lock.js';
import type { PublishOptions } from './commands/publish.js';
import type { PushCommandOptions, RemoteOptions } from './commands/remote.js';
import type { ReportOptions } from './commands/report.js';
import type { SchemaOptions } from './commands/schema.js';
import type { StatusOptions } from './commands/status.js';
import type { SweepCommandOptions } from './commands/sweep.js';
import type { UiOptions } from './commands/ui.js';
import { type Shell, shells, startScript } from './completion/scripts.js';
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
} from './options.js';
import { exitCodes, type Services } from './services.js';
import { type StarterSize, starterSizes } from './starter.js';

/**
 * Does a command's work; its exit code becomes the program's. What cannot be printed fails a command that exists to print
 * something, and not one that `keepsRecords` of what it does.
 */
type Perform = (
  work: (services: Services) => Promise<number>,
  options?: { readonly keepsRecords: boolean },
) => Promise<void>;

/** Adds a command to the command line. What the command does is loaded when it is called, so that help stays fast. */
export type CommandDeclaration = (program: Command, perform: Perform) => void;

const runCommand: CommandDeclaration = (program, perform) =>
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
      perform(async (services) => (await import('./commands/run.js')).run(file, options, services), {
        keepsRecords: true,
      }),
    );

const validateCommand: CommandDeclaration = (program, perform) =>
  withSet(program.command('validate'))
    .description('check pipeline files; every problem is shown, nothing runs')
    .argument('<file...>', 'pipeline files')
    .action((files: string[], options: { readonly set: string[] }) =>
      perform(async (services) =>
        (await import('./commands/validate.js')).validate(files, options, services),
      ),
    );

const planCommand: CommandDeclaration = (program, perform) =>
  withPlanOptions(program.command('plan'))
    .description('show which stages are cached and which would run, and why; nothing runs')
    .addOption(
      new Option(
        '--resolved',
        'print the whole configuration, and where each value comes from, instead',
      ).conflicts(['until', 'locked', 'force', 'pull', 'runs']),
    )
    .option('--json', 'print the plan as JSON')
    .action((file: string, options: PlanCommandOptions & { readonly resolved?: boolean }) =>
      perform(async (services) =>
        options.resolved === true
          ? (await import('./commands/plan.js')).planResolved(file, options, services)
          : (await import('./commands/plan.js')).plan(file, options, services),
      ),
    );

const sweepCommand: CommandDeclaration = (program, perform) =>
  withRuns(
    withForce(withPull(withSet(program.command('sweep').argument('<file>', 'pipeline file with a `sweep`')))),
  )
    .description('run every trial of a sweep that is not already done, shared stages once')
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
      perform(async (services) => (await import('./commands/sweep.js')).sweep(file, options, services), {
        keepsRecords: options.plan !== true,
      }),
    );

const lockCommand: CommandDeclaration = (program, perform) =>
  withRuns(withSet(program.command('lock').argument('<file>', 'pipeline file')))
    .description(
      'write the results of a finished pipeline to NAME.lock.yaml, for version control and --locked',
    )
    .action((file: string, options: LockOptions) =>
      perform(async (services) => (await import('./commands/lock.js')).lock(file, options, services)),
    );

const gcCommand: CommandDeclaration = (program, perform) =>
  withRuns(
    program
      .command('gc')
      .argument('[file...]', 'pipeline files whose outputs are kept, beside those of all runs'),
  )
    .description(
      'show outputs that no run, lock or pipeline file refers to, with their sizes; --yes removes them',
    )
    .option('--yes', 'remove them')
    .option('--older-than <hours>', 'keep outputs that changed within this many hours', parseHours, 24)
    .option('--forget <file...>', 'pipeline files that ran here and are gone for good: keep nothing for them')
    .option('--json', 'print what was found as JSON')
    .action((files: string[], options: GcOptions) =>
      perform(async (services) => (await import('./commands/gc.js')).gc(files, options, services)),
    );

function parseHours(value: string): number {
  const hours = Number(value);
  if (value.trim() === '' || !Number.isFinite(hours) || hours < 0)
    throw new InvalidArgumentError('A number of hours from 0 is expected.');
  return hours;
}

const statusCommand: CommandDeclaration = (program, perform) =>
  withRuns(program.command('status'))
    .description('list runs, with the progress of those that are running and the outcome of the others')
    .argument('[run...]', 'pipelines or runs to list (default: all)')
    .addOption(
      new Option('--state <state>', 'only runs in this state; may be given several times')
        .choices(runStates)
        .argParser(collectState)
        .default([], 'all'),
    )
    .option('--since <when>', 'only runs that started since then: 90m, 12h, 7d, or 2026-11-25', parseSince)
    .option('--last <count>', 'only the latest ones', parsePositive)
    .addOption(new Option('--watch', 'keep watching, and update progress live').conflicts('json'))
    .option('--json', 'print the runs as JSON')
    .action((filters: string[], options: StatusOptions) =>
      perform(async (services) => (await import('./commands/status.js')).status(filters, options, services)),
    );

function collectState(value: string, earlier: readonly RunState[]): RunState[] {
  const state = runStates.find((known) => known === value);
  if (state === undefined) throw new InvalidArgumentError(`The states are ${runStates.join(', ')}.`);
  return [...earlier, state];
}

const unitMs: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

function parseSince(value: string): Date {
  const [, count, unit] = /^(\d+)([mhd])$/.exec(value) ?? [];
  const date = unit === undefined ? new Date(value) : new Date(Date.now() - Number(count) * unitMs[unit]!);
  if (Number.isNaN(date.getTime()))
    throw new InvalidArgumentError('A time such as 90m, 12h, 7d or 2026-11-25 is expected.');
  return date;
}

function parsePositive(value: string): number {
  if (!/^[1-9]\d*$/.test(value)) throw new InvalidArgumentError('A whole number from 1 is expected.');
  return Number(value);
}

const calibrateCommand: CommandDeclaration = (program, perform) =>
  withRuns(withSet(program.command('calibrate')))
    .description('find the ratios at which the phases of a sample stage should switch')
    .argument('<file>', 'pipeline file')
    .option('--stage <stage>', 'the sample stage (optional if only one has phases)')
    .option('--samples <count>', 'samples to follow', whole(2), 256)
    .option('--replays <count>', 'sets of ratios to follow in full', whole(1), 8)
    .option(
      '--save <percent>',
      'choose the least deviation that saves this much (default: the knee of the frontier)',
      percent,
    )
    .option('--write <file>', 'write the chosen ratios into this pipeline file, keeping its comments')
    .option('--json', 'print events as JSON, one per line, then the frontier')
    .action((file: string, options: CalibrateCommandOptions) =>
      perform(async (services) =>
        (await import('./commands/calibrate.js')).calibrate(file, options, services),
      ),
    );

function whole(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= least) return value;
    throw new InvalidArgumentError(`It must be a whole number of at least ${least}.`);
  };
}

function percent(text: string): number {
  const value = Number(text.replace(/%$/, ''));
  if (value >= 0 && value < 100) return value / 100;
  throw new InvalidArgumentError('It must be a percentage below 100.');
}

const compareCommand: CommandDeclaration = (program, perform) =>
  withRuns(program.command('compare'))
    .description('show how runs differ: configuration, with the place of each value, and figures')
    .argument('<run...>', 'two or more runs: latest, latest~1, a pipeline, or the beginning of a run')
    .option('--json', 'print the differences as JSON')
    .option('--html <file>', 'write a page with the curves of all runs overlaid')
    .action((references: string[], options: CompareOptions) =>
      perform(async (services) =>
        (await import('./commands/compare.js')).compare(references, options, services),
      ),
    );

const reportCommand: CommandDeclaration = (program, perform) =>
  withRuns(program.command('report'))
    .description('write a self-contained HTML page about a run, finished or not')
    .argument('[run]', 'latest, latest~1, a pipeline, or the beginning of a run', 'latest')
    .option('-o, --output <file>', "where to write it (default: run.html in the run's folder)")
    .action((reference: string, options: ReportOptions) =>
      perform(async (services) =>
        (await import('./commands/report.js')).report(reference, options, services),
      ),
    );

const uiCommand: CommandDeclaration = (program, perform) =>
  withRuns(program.command('ui'))
    .description('show all runs in a browser, live, on this machine only; Ctrl-C ends it')
    .option(
      '--port <port>',
      'port to listen on, or the next free one after it (default: any free one)',
      parsePort,
      0,
    )
    .option('--open', 'open the page in the browser')
    .action((options: UiOptions) =>
      perform(async (services) => (await import('./commands/ui.js')).ui(options, services), {
        keepsRecords: true,
      }),
    );

function parsePort(value: string): number {
  const port = Number(value);
  if (!/^\d+$/.test(value) || port > 65_535)
    throw new InvalidArgumentError('A port from 0 to 65535 is expected.');
  return port;
}

const schemaCommand: CommandDeclaration = (program, perform) =>
  program
    .command('schema')
    .description('print the JSON Schema of pipeline files, or of one kind of stage')
    .argument('[kind]', 'pipeline, or a stage kind', 'pipeline')
    .option('--bundle', 'print it with everything it refers to, as one file for editors')
    .addOption(new Option('--path', 'print only the path of the file').conflicts('bundle'))
    .action((kind: string, options: SchemaOptions) =>
      perform(async (services) => (await import('./commands/schema.js')).schema(kind, options, services)),
    );

const completionCommand: CommandDeclaration = (program, perform) => {
  program
    .command('completion')
    .description('print a shell script that completes commands, options, stages, keys and runs')
    .addArgument(new Argument('<shell>', 'your shell').choices(shells))
    .action((shell: Shell) =>
      perform((services) => {
        services.stdout.write(startScript(shell));
        return Promise.resolve(exitCodes.done);
      }),
    );
  program
    .command('complete', { hidden: true })
    .description('what the scripts of pipeline completion ask for each word')
    .argument('<shell>')
    .argument('[words...]')
    .action((shell: Shell, words: string[]) =>
      perform(async (services) =>
        (await import('./commands/completion.js')).complete(program, shell, words, services),
      ),
    );
};

const importCommand: CommandDeclaration = (program, perform) =>
  program
    .command('import')
    .description('convert weights of PyTorch or diffusers into a folder of this project')
    .argument(
      '<source>',
      'checkpoint of the reference (.pt, .safetensors), folder of a diffusers autoencoder, or its name on Hugging Face',
    )
    .argument('<folder>', 'folder to create')
    .addOption(
      new Option('--weights <set>', 'weights to take: both sets, or one of them for both')
        .choices(['all', 'ema', 'raw'])
        .default('all'),
    )
    .option(
      '--key <keys...>',
      'which tensors of a checkpoint to take, where several fit: one key for both sets, or two, the second for the average',
    )
    .option('--heads <count>', 'attention heads, if the file does not tell them', parseCount(1))
    .option(
      '--label-dropout <part>',
      'fraction of labels dropped in training; 0 means no null class',
      number('from 0 to 1', (value) => value >= 0 && value <= 1),
    )
    .addOption(
      new Option('--interpolant <name>', 'path between noise and data').choices(['linear', 'gvp', 'vp']),
    )
    .addOption(
      new Option('--prediction <name>', 'output of the network').choices(['velocity', 'score', 'noise']),
    )
    .option(
      '--scaling-factor <factor>',
      'factor on latents in training',
      number('above 0', (value) => value > 0),
    )
    .option(
      '--shift-factor <number>',
      'number subtracted from latents before, as for SD3 and FLUX',
      number('of any size', (value) => Number.isFinite(value)),
    )
    .option('--classes <file>', 'names of the classes: one per line, or a JSON array')
    .option('--force', 'replace the folder if it holds weights')
    .option('--json', 'print the result as JSON')
    .action((source: string, folder: string, options: ImportOptions) =>
      perform(async (services) =>
        (await import('./commands/import.js')).importWeights(source, folder, options, services),
      ),
    );

function number(range: string, isWithin: (value: number) => boolean): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && Number.isFinite(value) && isWithin(value)) return value;
    throw new InvalidArgumentError(`A number ${range} was expected.`);
  };
}

const exportCommand: CommandDeclaration = (program, perform) =>
  withRuns(program.command('export'))
    .description('convert weights to formats that PyTorch and diffusers read')
    .argument('<source>', "a stage's output (FILE.yaml#STAGE, runs/NAME/latest/STAGE) or any other weights")
    .argument('<target>', 'file to create (.pt or .safetensors for a model), or folder')
    .addOption(
      new Option(
        '--format <format>',
        'pt: checkpoint of the reference; safetensors: its state dict; diffusers: folder of an autoencoder; own: folder of this project; hub: folder for a repository on Hugging Face (default: by the name of the target)',
      ).choices(['pt', 'safetensors', 'diffusers', 'own', 'hub']),
    )
    .addOption(
      new Option(
        '--weights <set>',
        'for safetensors: the averaged weights or the last ones (default: ema)',
      ).choices(['ema', 'raw']),
    )
    .option('--force', 'replace the target if it holds weights')
    .option('--json', 'print the result as JSON')
    .action((source: string, target: string, options: ExportOptions) =>
      perform(async (services) =>
        (await import('./commands/export.js')).exportWeights(source, target, options, services),
      ),
    );

const publishCommand: CommandDeclaration = (program, perform) =>
  withRuns(program.command('publish'))
    .description('send a model with its card, pipeline, lock and figures to the Hugging Face Hub')
    .argument('<source>', "a training's output (FILE.yaml#STAGE) or any other weights of a model")
    .argument('<repository>', 'hf://OWNER/NAME or hf://OWNER/NAME@BRANCH; made where there is none')
    .option('--private', 'make the repository private, where it is made')
    .option('--json', 'print the result as JSON')
    .action((source: string, repository: string, options: PublishOptions) =>
      perform(async (services) =>
        (await import('./commands/publish.js')).publish(source, repository, options, services),
      ),
    );

/** The arguments and options of commands that move outputs. */
const withOutputs = (command: Command, sends: string): Command =>
  withRuns(
    withSet(
      command
        .argument('<remote>', 'folder, or NAME:PATH of a remote that rclone knows')
        .argument(
          '[what...]',
          `pipeline file (with the trials of its sweep), FILE.yaml#STAGE, lock, or run; default: all that ${sends}`,
        ),
    ).option('--until <stage>', 'of pipeline files only this stage and what it needs'),
  );

const pushCommand: CommandDeclaration = (program, perform) =>
  withOutputs(program.command('push'), 'is finished here')
    .description('send finished outputs to a folder, a server or a cloud, through rclone')
    .option('--force', 'send again what is there already, such as where it is damaged')
    .option('--json', 'print what was sent as JSON')
    .action((remote: string, what: string[], options: PushCommandOptions) =>
      perform(
        async (services) => (await import('./commands/remote.js')).push(remote, what, options, services),
        {
          keepsRecords: true,
        },
      ),
    );

const pullCommand: CommandDeclaration = (program, perform) =>
  withOutputs(program.command('pull'), 'the remote has')
    .description('bring outputs that were sent with push, each whole and verified')
    .option('--json', 'print what was brought as JSON')
    .action((remote: string, what: string[], options: RemoteOptions) =>
      perform(
        async (services) => (await import('./commands/remote.js')).pull(remote, what, options, services),
        {
          keepsRecords: true,
        },
      ),
    );

const doctorCommand: CommandDeclaration = (program, perform) =>
  withRuns(program.command('doctor'))
    .description('show what this machine offers, what is missing, and how to fix it')
    .action((options: { readonly runs?: string }) =>
      perform(async (services) => (await import('./commands/doctor.js')).doctor(options, services)),
    );

/** Command of a run's data-parallel workers: not for people, and not in the help. */
const workerCommand: CommandDeclaration = (program, perform) =>
  program
    .command(name, { hidden: true })
    .action(() => perform(async (services) => (await import('./commands/worker.js')).worker(services)));

const acceptCommand: CommandDeclaration = (program, perform) =>
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
        (await import('./commands/accept.js')).accept(file, stages, options, services),
      ),
    );

const initCommand: CommandDeclaration = (program, perform) =>
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
      perform(async (services) => (await import('./commands/init.js')).init(images, options, services)),
    );

function parseStarterSize(text: string): StarterSize {
  const size = starterSizes.find((each) => String(each) === text);
  if (size !== undefined) return size;
  throw new InvalidArgumentError(`One of ${starterSizes.join(', ')} was expected.`);
}

/** Every command by its name, in the order in which help lists them. What a command does is loaded when it is called. */
export const commands: Readonly<Record<string, CommandDeclaration>> = {
  init: initCommand,
  run: runCommand,
  validate: validateCommand,
  plan: planCommand,
  sweep: sweepCommand,
  accept: acceptCommand,
  lock: lockCommand,
  push: pushCommand,
  pull: pullCommand,
  gc: gcCommand,
  status: statusCommand,
  calibrate: calibrateCommand,
  compare: compareCommand,
  report: reportCommand,
  ui: uiCommand,
  schema: schemaCommand,
  completion: completionCommand,
  import: importCommand,
  export: exportCommand,
  publish: publishCommand,
  doctor: doctorCommand,
  worker: workerCommand,
};
