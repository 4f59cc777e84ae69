import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../../src/base/errors.js';
import { asUserError } from '../../src/base/files.js';
import { type Check, type FixtureKind, outcomeOf } from './check.js';
import type { Comparison } from './compare.js';
import { type Execution, executionNames, openExecution } from './execution.js';

/** Result of one check of one file. */
export interface ParityResult extends Comparison {
  readonly file: string;
  readonly check: string;
  readonly execution: Execution['name'] | undefined;
}

/**
 * Checks every fixture file of a folder, program fixtures in each execution. A file that no kind understands, or that
 * cannot be read, is a failed check. Hidden files and folders are passed over.
 *
 * @throws UserError where the folder cannot be listed or holds no file
 */
export async function* checkFolder(
  folder: string,
  kinds: readonly FixtureKind[],
): AsyncGenerator<ParityResult> {
  const files = await filesOf(folder);
  for (const file of files) {
    const kind = kinds.find(({ files: names }) => names.test(file));
    if (kind === undefined) {
      const owned = kinds.some((other) => isCompanion(file, other, files));
      if (!owned) yield failure(file, 'kind of fixture', 'no check is known for this kind of file');
    } else if (kind.programs)
      for (const name of executionNames) {
        const execution = openExecution(name);
        try {
          yield* runChecks(file, name, () => kind.checks(join(folder, file), execution));
        } finally {
          await execution.close();
        }
      }
    else yield* runChecks(file, undefined, () => kind.checks(join(folder, file)));
  }
}

async function filesOf(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    const files = entries.filter((entry) => !entry.isDirectory() && !entry.name.startsWith('.'));
    if (files.length > 0) return files.map(({ name }) => name).sort();
  } catch (error) {
    throw asUserError(error, folder);
  }
  throw new UserError({
    code: 'fixtures-missing',
    message: `${folder}: expected fixture files, found none.`,
    remedy: 'Name a folder that holds fixtures, such as test/fixtures.',
  });
}

/** True when a file is read with another of the folder, which has the same name up to its first dot. */
function isCompanion(
  file: string,
  { files: names, companions }: FixtureKind,
  files: readonly string[],
): boolean {
  const stem = (name: string): string => name.split('.')[0] ?? '';
  return (
    companions?.test(file) === true && files.some((other) => names.test(other) && stem(other) === stem(file))
  );
}

async function* runChecks(
  file: string,
  execution: ParityResult['execution'],
  checksOf: () => Promise<readonly Check[]>,
): AsyncGenerator<ParityResult> {
  let checks: readonly Check[];
  try {
    checks = await checksOf();
  } catch (error) {
    const rethrow = (): never => {
      throw error;
    };
    checks = [{ name: 'reading', run: rethrow }];
  }
  if (checks.length === 0) yield failure(file, 'contents', 'the fixture holds nothing to check');
  for (const check of checks) yield { file, check: check.name, execution, ...(await outcomeOf(check)) };
}

function failure(file: string, check: string, text: string): ParityResult {
  return { file, check, execution: undefined, passed: false, difference: NaN, text };
}
