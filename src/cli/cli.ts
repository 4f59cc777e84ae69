import { Command, CommanderError } from 'commander';
import { createRequire } from 'node:module';
import { reportError } from './errors.js';
import { exitCodes, type Services } from './services.js';

const collect = (value: string, earlier: readonly string[]): string[] => [...earlier, value];

/** Runs one command line, without the program's name, and gives the exit code. Never throws. */
export async function runCli(args: readonly string[], services: Services): Promise<number> {
  const { stdout, stderr } = services;
  let exitCode: number = exitCodes.done;
  const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };
  const program = new Command('pipeline')
    .description('Trains and samples diffusion transformers with attention mediators, as YAML pipelines.')
    .version(version, '--version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand(false)
    .configureOutput({
      writeOut: (text) => stdout.write(text),
      writeErr: (text) => stderr.write(text),
    })
    .showHelpAfterError('(pipeline --help lists commands and options)')
    .exitOverride();

  withPlanOptions(program.command('run'))
    .description('run what is not already done, and resume what was interrupted')
    .option('--json', 'print one event a line, as JSON')
    .action(async (file: string, options: PlanCommandOptions) => {
      exitCode = await (await import('./commands/run.js')).run(file, options, services);
    });
  program
    .command('validate')
    .description('check pipeline files; every problem is shown, nothing runs')
    .argument('<file...>', 'pipeline files')
    .option('--set <key=value>', 'override a value, such as stages.train.steps=100', collect, [])
    .action(async (files: string[], options: { set: string[] }) => {
      exitCode = await (await import('./commands/validate.js')).validate(files, options, services);
    });
  withPlanOptions(program.command('plan'))
    .description('show which stages are cached and which would run, and why; nothing runs')
    .option('--json', 'print the plan as JSON')
    .action(async (file: string, options: PlanCommandOptions) => {
      exitCode = await (await import('./commands/plan.js')).plan(file, options, services);
    });
  program
    .command('doctor')
    .description('show what this machine offers, what is missing, and the command that mends it')
    .option('--runs <folder>', 'folder of all runs')
    .action(async (options: { runs?: string }) => {
      exitCode = await (await import('./commands/doctor.js')).doctor(options, services);
    });

  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.invalid;
    return reportError(error, services);
  }
}

/** Options that say what is to be done with a file, as commands get them. */
export interface PlanCommandOptions {
  readonly set: string[];
  readonly until?: string;
  readonly force: string[];
  readonly runs?: string;
  readonly json?: boolean;
}

function withPlanOptions(command: Command): Command {
  return command
    .argument('<file>', 'pipeline file')
    .option('--set <key=value>', 'override a value, such as stages.train.steps=100', collect, [])
    .option('--until <stage>', 'the last stage that is wanted: it and what it needs')
    .option('--force <stage>', 'run this stage, and what depends on it, even if it is cached', collect, [])
    .option('--runs <folder>', 'folder of all runs (default: $PIPELINE_RUNS, or runs/ in the project)');
}
