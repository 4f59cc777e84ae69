import { Command, CommanderError } from 'commander';
import { createRequire } from 'node:module';
import { commands } from './commands/index.js';
import { reportError } from './errors.js';
import { exitCodes, type Services } from './services.js';

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
  for (const declare of commands)
    declare(program, async (work) => {
      exitCode = await work(services);
    });

  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.invalid;
    return reportError(error, services);
  }
}
