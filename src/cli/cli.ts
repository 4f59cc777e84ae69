import { Command, CommanderError } from 'commander';
import { createRequire } from 'node:module';
import { commands } from './commands/index.js';
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
  const [name = ''] = args;
  const named = Object.hasOwn(commands, name) ? [commands[name]!] : Object.values(commands);
  for (const declare of await Promise.all(named.map((load) => load())))
    declare(program, async (work) => {
      exitCode = await work(services);
    });

  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.invalid;
    const { reportError } = await import('./errors.js');
    return reportError(error, services);
  }
}
