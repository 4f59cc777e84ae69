import { Argument } from 'commander';
import { workerCommand as workerName } from '../distributed/worker.js';
import type { SchemaOptions } from './commands/schema.js';
import { type Shell, shells, startScript } from './completion/scripts.js';
import { pipelineCommands } from './declare/pipelines.js';
import { runCommands } from './declare/runs.js';
import { weightsCommands } from './declare/weights.js';
import { type CommandDeclarations, withRuns } from './options.js';
import { exitCodes } from './services.js';

const programCommands: CommandDeclarations = {
  schema: (program, perform) =>
    program
      .command('schema')
      .description('print the JSON Schema of pipeline files, or of one kind of stage')
      .argument('[kind]', 'pipeline, or a stage kind', 'pipeline')
      .option('--path', 'print only the path of its file, which editors read')
      .action((kind: string, options: SchemaOptions) =>
        perform(async (services) => (await import('./commands/schema.js')).schema(kind, options, services)),
      ),

  completion: (program, perform) => {
    program
      .command('completion')
      .description('print a shell script that completes commands, options, stages, keys and runs')
      .addArgument(new Argument('<shell>', 'your shell').choices(shells))
      .action((shell: Shell) =>
        perform((services) => {
          services.stdout.write(startScript(shell));
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
          (await import('./commands/completion.js')).complete(program, shell, words, services),
        ),
      );
  },

  doctor: (program, perform) =>
    withRuns(program.command('doctor'))
      .description('show what this machine offers, what is missing, and how to fix it')
      .action((options: { readonly runs?: string }) =>
        perform(async (services) => (await import('./commands/doctor.js')).doctor(options, services)),
      ),

  /** Command of a run's data-parallel workers: not for people, and not in the help. */
  worker: (program, perform) =>
    program
      .command(workerName, { hidden: true })
      .action(() => perform(async (services) => (await import('./commands/worker.js')).worker(services))),
};

/** Every command by its name, under the headings and in the order in which help lists them. */
export const commands: CommandDeclarations = {
  ...under('Pipelines:', pipelineCommands),
  ...under('Runs and their outputs:', runCommands),
  ...under('Weights:', weightsCommands),
  ...under('This program:', programCommands),
};

function under(heading: string, declarations: CommandDeclarations): CommandDeclarations {
  return Object.fromEntries(
    Object.entries(declarations).map(([name, declare]) => [
      name,
      (program, perform) => {
        declare(program.commandsGroup(heading), perform);
      },
    ]),
  );
}
