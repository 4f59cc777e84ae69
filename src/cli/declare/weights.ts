import { InvalidArgumentError, Option } from 'commander';
import { interpolantNames, predictions } from '../../transport/names.js';
import type { ImportOptions } from '../commands/import.js';
import type { ExportOptions } from '../commands/export.js';
import type { PublishOptions } from '../commands/publish.js';
import { parseCount, parseNumber, withRuns, type CommandDeclarations } from '../options.js';

function parseWeights(text: string): NonNullable<ExportOptions['weights']> {
  if (/^(raw|best|ema(-0(\.\d+)?)?|power-0\.\d+)$/.test(text))
    return text as NonNullable<ExportOptions['weights']>;
  throw new InvalidArgumentError('ema, raw, best, ema-DECAY or power-WIDTH was expected.');
}

/** Commands about models from and for other programs, in the order in which help lists them. */
export const weightsCommands: CommandDeclarations = {
  import: (program, perform) =>
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
        parseNumber('from 0 to 1', (value) => value >= 0 && value <= 1),
      )
      .addOption(new Option('--interpolant <name>', 'path between noise and data').choices(interpolantNames))
      .addOption(new Option('--prediction <name>', 'output of the network').choices(predictions))
      .option(
        '--scaling-factor <factor>',
        'factor on latents in training',
        parseNumber('above 0', (value) => value > 0),
      )
      .option(
        '--shift-factor <number>',
        'number subtracted from latents before, as for SD3 and FLUX',
        parseNumber('of any size', (value) => Number.isFinite(value)),
      )
      .option('--classes <file>', 'names of the classes: one per line, or a JSON array')
      .option('--force', 'replace the folder if it holds weights')
      .option('--json', 'print the result as JSON')
      .action((source: string, folder: string, options: ImportOptions) =>
        perform(async (services) =>
          (await import('../commands/import.js')).importWeights(source, folder, options, services),
        ),
      ),

  export: (program, perform) =>
    withRuns(program.command('export'))
      .description('convert weights to formats that PyTorch and diffusers read')
      .argument(
        '<source>',
        "a stage's output (STAGE of the latest run, RUN/STAGE, or FILE.yaml#STAGE) or any other weights",
      )
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
          'for safetensors and own: the average (ema), the last weights (raw) or, of a training, best, ema-DECAY or power-WIDTH (default: ema, and both)',
        ).argParser(parseWeights),
      )
      .addOption(
        new Option(
          '--dtype <format>',
          'for safetensors, own and diffusers: number format of the weights (default: float32)',
        ).choices(['float32', 'float16', 'bfloat16']),
      )
      .option('--force', 'replace the target if it holds weights')
      .option('--json', 'print the result as JSON')
      .action((source: string, target: string, options: ExportOptions) =>
        perform(async (services) =>
          (await import('../commands/export.js')).exportWeights(source, target, options, services),
        ),
      ),

  publish: (program, perform) =>
    withRuns(program.command('publish'))
      .description('send a model with its card, pipeline, lock and figures to the Hugging Face Hub')
      .argument(
        '<source>',
        "a training's output (STAGE of the latest run, RUN/STAGE, or FILE.yaml#STAGE) or any other weights of a model",
      )
      .argument('<repository>', 'hf://OWNER/NAME or hf://OWNER/NAME@BRANCH; made where there is none')
      .option('--private', 'make the repository private, where it is made')
      .option('--json', 'print the result as JSON')
      .action((source: string, repository: string, options: PublishOptions) =>
        perform(async (services) =>
          (await import('../commands/publish.js')).publish(source, repository, options, services),
        ),
      ),
};
