import { InvalidArgumentError, Option } from 'commander';
import type { CommandDeclaration } from '../command.js';
import { parseCount } from '../durations.js';
import type { ImportOptions } from './import.js';

export const importCommand: CommandDeclaration = (program, perform) =>
  program
    .command('import')
    .description('convert weights of PyTorch or diffusers into a folder of this project')
    .argument(
      '<source>',
      'checkpoint of the reference (.pt, .safetensors), folder of a diffusers autoencoder, or its name on Hugging Face',
    )
    .argument('<folder>', 'folder to make')
    .addOption(
      new Option('--weights <set>', 'weights to take: both sets, or one of them for both')
        .choices(['all', 'ema', 'raw'])
        .default('all'),
    )
    .option('--heads <count>', 'attention heads, where nothing tells them', parseCount(1))
    .option(
      '--label-dropout <part>',
      'part of labels dropped in training; 0: there is no null class',
      number('from 0 to 1', (value) => value >= 0 && value <= 1),
    )
    .addOption(
      new Option('--interpolant <name>', 'path between noise and data').choices(['linear', 'gvp', 'vp']),
    )
    .addOption(
      new Option('--prediction <name>', 'what the network outputs').choices(['velocity', 'score', 'noise']),
    )
    .option(
      '--scaling-factor <factor>',
      'what latents were multiplied by for training',
      number('above 0', (value) => value > 0),
    )
    .option('--classes <file>', 'names of the classes: one a line, or a JSON array')
    .option('--force', 'replace the folder if it holds weights')
    .option('--json', 'print what was made as JSON')
    .action((source: string, folder: string, options: ImportOptions) =>
      perform(async (services) =>
        (await import('./import.js')).importWeights(source, folder, options, services),
      ),
    );

function number(range: string, isWithin: (value: number) => boolean): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && Number.isFinite(value) && isWithin(value)) return value;
    throw new InvalidArgumentError(`A number ${range} was expected.`);
  };
}
