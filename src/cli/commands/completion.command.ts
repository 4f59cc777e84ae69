import { Argument } from 'commander';
import type { CommandDeclaration } from '../command.js';
import { scripts, shells, type Shell } from '../completion/scripts.js';
import { exitCodes } from '../services.js';

export const completionCommand: CommandDeclaration = (program, perform) => {
  program
    .command('completion')
    .description('print what makes the Tab key complete commands, options, stages, keys and runs')
    .addArgument(new Argument('<shell>', 'your shell').choices(shells))
    .action((shell: Shell) =>
      perform((services) => {
        services.stdout.write(scripts[shell]);
        return Promise.resolve(exitCodes.done);
      }),
    );
  program
    .command('complete', { hidden: true })
    .description('what the scripts of pipeline completion ask for each word')
    .argument('<shell>')
    .argument('[words...]')
    .action((shell: Shell, words: string[]) =>
      perform(async (services) =>
        (await import('./completion.js')).complete(program, shell, words, services),
      ),
    );
};
