import type { CommandDeclaration } from '../command.js';
import { withSet } from '../options.js';

export const validateCommand: CommandDeclaration = (program, perform) =>
  withSet(program.command('validate'))
    .description('check pipeline files; every problem is shown, nothing runs')
    .argument('<file...>', 'pipeline files')
    .action((files: string[], options: { readonly set: string[] }) =>
      perform(async (services) => (await import('./validate.js')).validate(files, options, services)),
    );
