import { type Command, InvalidArgumentError, Option } from 'commander';
import type { EvaluateConfig, PlaygroundConfig } from '../../generated/index.js';
import { type RunState, runStates } from '../../runner/run/events.js';
import type { StatusOptions } from '../commands/status.js';
import type { CompareOptions } from '../commands/compare.js';
import type { EvaluateOptions } from '../commands/evaluate.js';
import type { PlaygroundOptions } from '../commands/playground.js';
import type { NoteOptions } from '../commands/note.js';
import type { ReportOptions } from '../commands/report.js';
import type { UiOptions } from '../commands/ui.js';
import type { GcOptions } from '../commands/gc.js';
import type { PushCommandOptions, RemoteOptions } from '../commands/remote.js';
import { parseCount, parseNumber, withRuns, withSet, type CommandDeclarations } from '../options.js';

/** Figures that samples without latents can have. */
const evaluationMetrics: readonly EvaluateConfig['metrics'][number][] = [
  ...(['fid', 'sfid', 'inceptionScore', 'frechetDistance'] as const),
  ...(['kernelDistance', 'precisionRecall', 'classAgreement'] as const),
];

const weightTypes: readonly PlaygroundConfig['weightType'][] = ['float16', 'float24', 'float32'];

/** Commands about runs and their outputs, in the order in which help lists them. */
export const runCommands: CommandDeclarations = {
  status: (program, perform) =>
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
      .option('--last <count>', 'only the latest ones', parseCount(1))
      .addOption(new Option('--watch', 'keep watching, and update progress live').conflicts('json'))
      .option('--json', 'print the runs as JSON')
      .action((filters: string[], options: StatusOptions) =>
        perform(async (services) =>
          (await import('../commands/status.js')).status(filters, options, services),
        ),
      ),

  compare: (program, perform) =>
    withRuns(program.command('compare'))
      .description('show how runs differ: configuration, with the place of each value, and figures')
      .argument('<run...>', 'two or more runs: latest, latest~1, a pipeline, or the beginning of a run')
      .option('--json', 'print the differences as JSON')
      .option('--html <file>', 'write a page with the curves of all runs overlaid')
      .action((references: string[], options: CompareOptions) =>
        perform(async (services) =>
          (await import('../commands/compare.js')).compare(references, options, services),
        ),
      ),

  evaluate: (program, perform) =>
    withRuns(program.command('evaluate'))
      .description('compare samples of any program with a reference, without a pipeline file')
      .argument('<samples>', 'an .npz as ADM writes it, a folder of images, or files that hold images')
      .requiredOption('--reference <images>', 'what to compare with: the same, or an .npz of statistics')
      .addOption(
        new Option(
          '--features <network>',
          'network whose features are compared (default: inception with --inception, otherwise efficientnet)',
        ).choices(['efficientnet', 'inception']),
      )
      .option('--inception <file>', "the ADM evaluator's classify_image_graph_def.pb")
      .addOption(
        new Option('--metrics <names...>', 'figures to compute (default: all that the images allow)').choices(
          evaluationMetrics,
        ),
      )
      .option(
        '--size <pixels>',
        'side to which images of folders are cropped and resized (default: that of the samples)',
        parseCount(8),
      )
      .option('--json', 'print the figures as JSON')
      .action((samples: string, options: EvaluateOptions) =>
        perform(async (services) =>
          (await import('../commands/evaluate.js')).evaluate(samples, options, services),
        ),
      ),

  note: (program, perform) =>
    withRuns(program.command('note'))
      .description('give a run a name, tags and a text, which lists and pages show; without any, show them')
      .argument('<run>', 'latest, latest~1, a pipeline, or the beginning of a run')
      .argument('[text...]', 'what to say of it')
      .option('--name <name>', 'name by which it can be called everywhere', parseName)
      .option('--no-name', 'remove the name')
      .option('--no-text', 'remove the text')
      .option('--tag <tag>', 'tag to add; may be given several times', collectTag, [])
      .option('--untag <tag>', 'tag to remove; may be given several times', collectTag, [])
      .action((reference: string, words: string[], options: NoteOptions) =>
        perform(async (services) =>
          (await import('../commands/note.js')).note(reference, words, options, services),
        ),
      ),

  report: (program, perform) =>
    withRuns(program.command('report'))
      .description('write a self-contained HTML page about a run, finished or not')
      .argument('[run]', 'latest, latest~1, a pipeline, or the beginning of a run', 'latest')
      .option('-o, --output <file>', "where to write it (default: run.html in the run's folder)")
      .action((reference: string, options: ReportOptions) =>
        perform(async (services) =>
          (await import('../commands/report.js')).report(reference, options, services),
        ),
      ),

  playground: (program, perform) =>
    withRuns(program.command('playground'))
      .description("write one HTML page that draws with a run's models in any browser, without a network")
      .argument('[run]', 'latest, latest~1, a pipeline, or the beginning of a run', 'latest')
      .option('--stage <id>', 'the sample stage whose models and settings to take (default: the last one)')
      .addOption(
        new Option(
          '--weight-type <type>',
          'bits of a weight: float16 makes the page smaller, and its latents differ from those of `sample` by more than 0.001 (default: float24)',
        ).choices(weightTypes),
      )
      .option('-o, --output <file>', "where to write it (default: playground.html in the run's folder)")
      .action((reference: string, options: PlaygroundOptions) =>
        perform(async (services) =>
          (await import('../commands/playground.js')).playground(reference, options, services),
        ),
      ),

  ui: (program, perform) =>
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
        perform(async (services) => (await import('../commands/ui.js')).ui(options, services), {
          keepsRecords: true,
        }),
      ),

  push: (program, perform) =>
    withOutputs(program.command('push'), 'is finished here')
      .description('send finished outputs to a folder, a server or a cloud, through rclone')
      .option('--force', 'send again what is there already, such as where it is damaged')
      .option('--json', 'print what was sent as JSON')
      .action((remote: string, what: string[], options: PushCommandOptions) =>
        perform(
          async (services) => (await import('../commands/remote.js')).push(remote, what, options, services),
          {
            keepsRecords: true,
          },
        ),
      ),

  pull: (program, perform) =>
    withOutputs(program.command('pull'), 'the remote has')
      .description('bring outputs that were sent with push, each whole and verified')
      .option('--json', 'print what was brought as JSON')
      .action((remote: string, what: string[], options: RemoteOptions) =>
        perform(
          async (services) => (await import('../commands/remote.js')).pull(remote, what, options, services),
          {
            keepsRecords: true,
          },
        ),
      ),

  gc: (program, perform) =>
    withRuns(
      program
        .command('gc')
        .argument('[file...]', 'pipeline files whose outputs are kept, beside those of all runs'),
    )
      .description(
        'show outputs that no run, lock or pipeline file refers to, with their sizes; --yes removes them',
      )
      .option('--yes', 'remove them')
      .option(
        '--older-than <hours>',
        'keep outputs that changed within this many hours',
        parseNumber('of hours from 0', (hours) => hours >= 0),
        24,
      )
      .option(
        '--forget <file...>',
        'pipeline files that ran here and are gone for good: keep nothing for them',
      )
      .option('--remote <address>', 'what interrupted pushes left on a remote, in place of outputs here')
      .option('--json', 'print what was found as JSON')
      .action((files: string[], options: GcOptions) =>
        perform(async (services) => (await import('../commands/gc.js')).gc(files, options, services)),
      ),
};

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

const unitMs: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

function collectState(value: string, earlier: readonly RunState[]): RunState[] {
  const state = runStates.find((known) => known === value);
  if (state === undefined) throw new InvalidArgumentError(`The states are ${runStates.join(', ')}.`);
  return [...earlier, state];
}

/** Names are called on command lines: no run's id or `latest~1` looks like them. */
function parseName(value: string): string {
  if (!/^[\p{L}\p{N}_.-]+$/u.test(value))
    throw new InvalidArgumentError('A name of letters, digits, dots, dashes and underscores is expected.');
  return value;
}

function collectTag(value: string, earlier: readonly string[]): string[] {
  const tag = value.replace(/^#/, '');
  if (tag === '' || /[\s,#]/.test(tag)) throw new InvalidArgumentError('A tag of one word is expected.');
  return [...earlier, tag];
}

function parseSince(value: string): Date {
  const [, count, unit] = /^(\d+)([mhd])$/.exec(value) ?? [];
  const date = unit === undefined ? new Date(value) : new Date(Date.now() - Number(count) * unitMs[unit]!);
  if (Number.isNaN(date.getTime()))
    throw new InvalidArgumentError('A time such as 90m, 12h, 7d or 2026-11-25 is expected.');
  return date;
}

function parsePort(value: string): number {
  const port = Number(value);
  if (!/^\d+$/.test(value) || port > 65_535)
    throw new InvalidArgumentError('A port from 0 to 65535 is expected.');
  return port;
}
