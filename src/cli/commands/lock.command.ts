import type { CommandDeclaration } from '../command.js';
import { withRuns, withSet } from '../options.js';
import type { LockOptions } from './lock.js';

export const lockCommand: CommandDeclaration = (program, perform) =>
  withRuns(withSet(program.command('lock').argument('<file>', 'pipeline file')))
    .description('write what a finished pipeline gave to NAME.lock.yaml, for version control and --locked')
    .action((file: string, options: LockOptions) =>
      perform(async (services) => (await import('./lock.js')).lock(file, options, services)),
    );
