import type { CommandDeclaration } from '../command.js';
import { withRuns } from '../options.js';
import type { CompareOptions } from './compare.js';

export const compareCommand: CommandDeclaration = (program, perform) =>
  withRuns(program.command('compare'))
    .description(
      'show what differs between runs: configuration, with where each value was written, and figures',
    )
    .argument('<run...>', 'two runs or more: latest, latest~1, a pipeline, or the beginning of a run')
    .option('--json', 'print the differences as JSON')
    .option('--html <file>', 'write a page with the curves of all runs over each other')
    .action((references: string[], options: CompareOptions) =>
      perform(async (services) => (await import('./compare.js')).compare(references, options, services)),
    );
