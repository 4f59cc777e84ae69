import { InvalidArgumentError } from 'commander';
import type { CommandDeclaration } from '../command.js';
import { withRuns, withSet } from '../options.js';
import type { CalibrateCommandOptions } from './calibrate.js';

export const calibrateCommand: CommandDeclaration = (program, perform) =>
  withRuns(withSet(program.command('calibrate')))
    .description('find the ratios at which the phases of a sample stage should switch')
    .argument('<file>', 'pipeline file')
    .option('--stage <stage>', 'the sample stage; may be left out where only one has phases')
    .option('--samples <count>', 'samples to follow', whole(2), 256)
    .option('--replays <count>', 'choices of ratios to follow in full', whole(1), 8)
    .option(
      '--save <percent>',
      'choose what deviates least of those that save so much; else where the frontier bends',
      percent,
    )
    .option('--write <file>', 'write the chosen ratios into this pipeline file, keeping its comments')
    .option('--json', 'one event a line, then the frontier')
    .action((file: string, options: CalibrateCommandOptions) =>
      perform(async (services) => (await import('./calibrate.js')).calibrate(file, options, services)),
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
