import { readFileSync } from 'node:fs';
import { formatDiagnostics } from '../config/diagnostics/format.js';
import type { Diagnostic, Origin } from '../config/index.js';
import { formatDifference, type LockDifference, type LockDiffersError } from '../pipeline/index.js';
import { formatFailure } from './errors.js';
import { exitCodes, usesColor, type Services } from './services.js';

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
  if (inFile.length > 0) stderr.write(`${formatDiagnostics(inFile, { color })}\n\n`);
  for (const { difference } of elsewhere) stderr.write(`${formatDifference(difference)}\n`);
  if (elsewhere.length > 0) stderr.write('\n');
  stderr.write(formatFailure({ code, message, ...(remedy !== undefined && { remedy }) }, color));
  return exitCodes.invalid;
}

/** Where the value of a key was written, or the first item of a list. */
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
    return readFileSync(file, 'utf8').split(/\r?\n/)[line - 1] ?? '';
  } catch {
    return '';
  }
}
