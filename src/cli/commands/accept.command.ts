import type { CommandDeclaration } from '../command.js';
import { withRuns, withSet } from '../options.js';
import type { AcceptOptions } from './accept.js';

export const acceptCommand: CommandDeclaration = (program, perform) =>
  withRuns(
    withSet(
      program
        .command('accept')
        .argument('<file>', 'pipeline file')
        .argument('<stage...>', 'stages whose latest output is to do for what the file asks for now'),
    ),
  )
    .description(
      'keep the latest output of a stage though it would run again; plan, lock and report tell of it',
    )
    .action((file: string, stages: string[], options: AcceptOptions) =>
      perform(async (services) => (await import('./accept.js')).accept(file, stages, options, services)),
    );
