import { Option } from 'commander';
import type { CommandDeclaration } from '../command.js';
import { withRuns } from '../options.js';
import type { ExportOptions } from './export.js';

export const exportCommand: CommandDeclaration = (program, perform) =>
  withRuns(program.command('export'))
    .description('convert weights into what PyTorch and diffusers read')
    .argument('<source>', "a stage's output (FILE.yaml#STAGE, runs/NAME/latest/STAGE) or any other weights")
    .argument('<target>', 'file to make (.pt or .safetensors for a model), or folder')
    .addOption(
      new Option(
        '--format <format>',
        'pt: checkpoint of the reference; safetensors: its state dict; diffusers: folder of an autoencoder; own: folder of this project (default: by the name of the target)',
      ).choices(['pt', 'safetensors', 'diffusers', 'own']),
    )
    .addOption(
      new Option(
        '--weights <set>',
        'for safetensors: the averaged weights or the last ones (default: ema)',
      ).choices(['ema', 'raw']),
    )
    .option('--force', 'replace the target if it holds weights')
    .option('--json', 'print what was made as JSON')
    .action((source: string, target: string, options: ExportOptions) =>
      perform(async (services) =>
        (await import('./export.js')).exportWeights(source, target, options, services),
      ),
    );
