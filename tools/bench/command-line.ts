import { Command, InvalidArgumentError } from 'commander';
import { UserError } from '../../src/base/errors.js';

/**
 * Command lines of the programs of this folder. Whichever imports this ends with a message and exit code 2 where its
 * command line is at fault, with a message and 1 where something else is that a person can mend, and with a stack only by
 * a defect.
 */

process.on('uncaughtException', (error: Error & { readonly code?: unknown }) => {
  const ofArguments = String(error.code).startsWith('ERR_PARSE_ARGS');
  const remedy = error instanceof UserError && error.remedy !== undefined ? `\n${error.remedy}` : '';
  const isTold = error instanceof UserError || ofArguments;
  console.error(isTold ? `error: ${error.message}${remedy}` : (error.stack ?? error.message));
  process.exit(ofArguments || (error instanceof UserError && error.isUsage) ? 2 : 1);
});

/** A program's command line, by the name of its script. */
export const commandLine = (name: string): Command =>
  new Command(`npm run ${name} --`).exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2));

/** The error of an option that cannot have the value that was found. */
export function invalidOption(option: string, expected: string, found: string | number): UserError {
  return new UserError({
    code: 'invalid-option',
    usage: true,
    message: `${option}: expected ${expected}; found ${found}.`,
  });
}

/** A whole number of at least 0. */
const isWhole = (text: string): boolean => /^\d+$/.test(text);

/** Whole numbers, as options of `commandLine` are read. */
export function whole(text: string): number {
  if (!isWhole(text)) throw new InvalidArgumentError('A whole number is expected.');
  return Number(text);
}

export const wholes = (text: string): number[] => text.split(',').map(whole);

/** The whole number of an option. */
export function wholeOption(option: string, text: string): number {
  if (!isWhole(text)) throw invalidOption(option, 'a whole number', text);
  return Number(text);
}
