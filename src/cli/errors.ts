import { Chalk } from 'chalk';
import { UserError } from '../errors.js';
import { asUserError, pathOf } from '../files/file-errors.js';
import type { Failure } from '../pipeline/run/events.js';
import { exitCodes, usesColor, type Services } from './services.js';
import { say } from './wrap.js';

/** Shows an error that ended a command, and gives the exit code. */
export function reportError(error: unknown, services: Services): number {
  const { stderr, env } = services;
  const color = usesColor(stderr, env);
  const known = asUserError(error, pathOf(error) ?? process.cwd());
  if (known instanceof UserError) {
    const { message, remedy, isUsage } = known;
    say(stderr, formatFailure({ message, ...(remedy !== undefined && { remedy }) }, color));
    return isUsage ? exitCodes.invalid : exitCodes.failed;
  }
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const message = error instanceof Error ? error.message : String(error);
  stderr.write(formatFailure({ message, stack }, color));
  return exitCodes.failed;
}

/**
 * What went wrong, as text for the terminal: message and remedy of an error that its reader can mend, otherwise
 * "Internal error" with the stack.
 */
export function formatFailure(
  failure: Failure,
  color: boolean,
  where: { readonly stage?: string; readonly log?: string } = {},
): string {
  const chalk = new Chalk({ level: color ? 1 : 0 });
  const lines: string[] = [];
  if (failure.stack !== undefined) {
    const place = where.stage === undefined ? '' : ` in stage ${where.stage}`;
    lines.push(`${chalk.red(`Internal error${place}:`)} ${failure.message}`, chalk.dim(failure.stack));
  } else {
    const place = where.stage === undefined ? 'error' : `Stage ${where.stage} failed`;
    lines.push(`${chalk.red(`${place}:`)} ${failure.message}`);
    if (failure.remedy !== undefined) lines.push(`  ${failure.remedy}`);
  }
  if (where.log !== undefined) lines.push(chalk.dim(`  Log: ${where.log}`));
  return `${lines.join('\n')}\n`;
}
