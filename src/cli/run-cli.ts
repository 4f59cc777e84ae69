import { once } from 'node:events';
import { createRequire } from 'node:module';
import { setImmediate as turn } from 'node:timers/promises';
import { Command, CommanderError } from 'commander';
import { onDamaged } from '../base/sealed.js';
import { outliveMissingParser, outliveOutput } from '../base/outlive-output.js';
import { commands } from './program.js';
import { warnOfVariables } from '../base/environment-variables.js';
import { exitCodes, loadWrapping, say, type Services } from './services.js';

/** Runs one command line, without the program's name, and gives the exit code. Never throws. */
export async function runCli(args: readonly string[], services: Services): Promise<number> {
  const { stdout, stderr } = services;
  let exitCode: number = exitCodes.done;
  await loadWrapping([stdout, stderr]);
  const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };
  const program = new Command('pipeline')
    .description('Trains and samples diffusion transformers with attention mediators, as YAML pipelines.')
    .version(version, '--version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand(false)
    .configureOutput({
      writeOut: (text) => stdout.write(text),
      writeErr: (text) => stderr.write(text),
      getOutHelpWidth: () => helpWidth(stdout),
      getErrHelpWidth: () => helpWidth(stderr),
    })
    // Descriptions wrap beside the names of commands, however little room is left to them at 80 columns.
    .configureHelp({ minWidthToWrap: 20 })
    .showHelpAfterError('(npx pipeline --help lists commands and options)')
    .hook('preAction', async (_, command) => {
      // What is still being typed may be empty.
      if (command.name() === 'complete') return;
      refuseEmpty(command);
      for (const warning of await warnOfVariables(services.env)) say(stderr, `warning: ${warning}\n`);
    })
    .exitOverride();
  const [name = ''] = args;
  const named = Object.hasOwn(commands, name) ? [commands[name]!] : Object.values(commands);
  for (const declare of named)
    declare(program, async (work, options) => {
      exitCode = await work(services);
      const cause = await services.notPrinted?.();
      if (cause === undefined) return;
      if (options?.keepsRecords === true)
        say(stderr, `warning: Not all could be printed: ${cause.message}.\n`);
      else if (exitCode === exitCodes.done) throw await outputLost(cause);
    });

  program.commands.forEach(refuseRepeated);

  const end = onDamaged((message) => {
    say(stderr, `warning: ${message}\n`);
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.invalid;
    const { reportError } = await import('./errors.js');
    return reportError(error, services);
  } finally {
    end();
  }
}

const helpWidth = ({ isTTY, columns }: NodeJS.WriteStream): number => (isTTY && columns > 0 ? columns : 80);

/** An option with one value that is given twice would silently have the last one. Those that collect values give lists. */
function refuseRepeated(command: Command): void {
  for (const option of command.options.filter(({ required, optional }) => required || optional)) {
    let given = 0;
    command.on(`option:${option.name()}`, () => {
      if (++given === 1 || Array.isArray(command.getOptionValue(option.attributeName()))) return;
      command.error(`error: option '${option.flags}' is given twice; it takes one value.`);
    });
  }
}

/** An empty text, as an unset variable of the shell gives, and a `~` that the shell left as it is, name nothing. */
function refuseEmpty(command: Command): void {
  const options = command.options.map((option): [string, unknown] => [
    option.flags,
    command.getOptionValue(option.attributeName()),
  ]);
  const given = command.registeredArguments.map((argument, i): [string, unknown] => [
    argument.name(),
    command.processedArgs[i],
  ]);
  for (const [name, value] of [...options, ...given])
    for (const text of [value].flat()) {
      if (text === '') command.error(`error: '${name}' has an empty value; is a shell variable unset?`);
      if (typeof text === 'string' && /^~(\/|$)/.test(text))
        command.error(
          `error: '${name}' is '${text}': the shell replaces ~ only at the start of a word. Write '$HOME${text.slice(1)}'.`,
        );
    }
}

async function outputLost(cause: Error): Promise<Error> {
  const { UserError } = await import('../base/errors.js');
  return new UserError({
    code: 'output-lost',
    message: `Not all could be printed: ${cause.message}.`,
    remedy: 'Let the output go to a place with room for it.',
    cause,
  });
}

/** Runs this process's command line, and ends the process with its exit code, whatever becomes of its output. */
export async function runProgram(loadRegistry: Services['loadRegistry']): Promise<never> {
  const { stdout, stderr } = process;
  outliveMissingParser();
  const notPrinted = outliveOutput([stdout, stderr]);
  const exitCode = await runCli(process.argv.slice(2), {
    ...{ stdout, stderr, env: process.env, loadRegistry },
    forceExit: (code) => process.exit(code),
    // Errors of streams are told in the next turn.
    notPrinted: async () => {
      await turn();
      return notPrinted();
    },
  });
  for (const stream of [stdout, stderr])
    if (stream.writableNeedDrain) await once(stream, 'drain').catch(() => undefined);
  process.exit(exitCode);
}
