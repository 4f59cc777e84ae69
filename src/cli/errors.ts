import { Chalk } from 'chalk';
import { UserError } from '../base/errors.js';
import { asUserError, pathOf, readWholeTextSync } from '../base/files.js';
import type { Diagnostic } from '../runner/diagnostics.js';
import { formatDiagnostics } from '../runner/format-diagnostics.js';
import { formatDifference, type LockDifference, type LockDiffersError } from '../runner/lock/compare.js';
import type { Origin } from '../runner/pipeline.js';
import type { Failure } from '../runner/run/events.js';
import { exitCodes, say, type Services, usesColor } from './services.js';

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

/** The error of what the command line names, where its reader can mend it: exit code 2. */
export function asUsage(error: unknown): unknown {
  const known = asUserError(error, pathOf(error) ?? process.cwd());
  if (!(known instanceof UserError)) return known;
  const { code, message, remedy } = known;
  return new UserError({ code, message, usage: true, ...(remedy !== undefined && { remedy }) });
}

/**
 * Formats a failure for the terminal: message and remedy of an error that its reader can mend, otherwise "Internal
 * error" with the stack.
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

type Sources = ReadonlyMap<string, Origin>;

/** Shows in what a pipeline differs from its lock, each fact at its line of the file, and gives the exit code. */
export function reportLockDifferences(
  { code, message, remedy, differences }: LockDiffersError,
  sources: Sources,
  { stderr, env }: Services,
): number {
  const color = usesColor(stderr, env);
  const places = differences.map((difference) => ({ difference, place: placeOf(difference.key, sources) }));
  const inFile = places.flatMap(({ difference, place }) =>
    place === undefined ? [] : [diagnosticAt(place, difference)],
  );
  const elsewhere = places.filter(({ place }) => place === undefined);
  if (inFile.length > 0)
    say(
      stderr,
      `${formatDiagnostics(inFile, { color, width: stderr.isTTY ? stderr.columns : Infinity })}\n\n`,
    );
  for (const { difference } of elsewhere) say(stderr, `${formatDifference(difference)}\n`);
  if (elsewhere.length > 0) stderr.write('\n');
  say(stderr, formatFailure({ code, message, ...(remedy !== undefined && { remedy }) }, color));
  return exitCodes.invalid;
}

/** Place at which the value of a key was written, or the first item of a list. */
function placeOf(key: string, sources: Sources): Origin | undefined {
  return sources.get(key) ?? sources.get(`${key}.0`);
}

function diagnosticAt({ file, line, column }: Origin, difference: LockDifference): Diagnostic {
  const sourceLine = readLine(file, line);
  const rest = sourceLine.slice(column - 1);
  const value = /^("[^"]*"|'[^']*'|\[[^\]]*\]|[^\s,}\]#]+)/.exec(rest)?.[0] ?? rest;
  return {
    code: 'differs-from-lock',
    severity: 'error',
    message: `${formatDifference(difference)}.`,
    ...{ file, line, column, endColumn: column + Math.max(1, value.length), sourceLine },
  };
}

/** Empty where the value was given on the command line. */
function readLine(file: string, line: number): string {
  try {
    return readWholeTextSync(file).split(/\r?\n/)[line - 1] ?? '';
  } catch {
    return '';
  }
}
