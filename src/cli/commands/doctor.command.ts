import type { CommandDeclaration } from '../command.js';
import { withRuns } from '../options.js';

export const doctorCommand: CommandDeclaration = (program, perform) =>
  withRuns(program.command('doctor'))
    .description('show what this machine offers, what is missing, and the command that mends it')
    .action((options: { readonly runs?: string }) =>
      perform(async (services) => (await import('./doctor.js')).doctor(options, services)),
    );
