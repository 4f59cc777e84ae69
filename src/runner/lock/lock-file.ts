import { basename, dirname, extname, join } from 'node:path';
import { stringify } from 'yaml';
import { UserError } from '../../base/errors.js';
import { asUserError, readWholeText } from '../../base/files.js';
import type { Environment } from '../environment.js';
import type { Acceptance, Json } from '../stage.js';
import { replaceFile } from '../store/layout.js';
import { parseNested } from '../yaml/nesting.js';

/** Record of what a pipeline gave when it ran, for people to review and for `--locked` to hold a later run against. */
export interface Lock {
  readonly format: 1;
  readonly pipeline: string;
  /** `--set` options that the run was given; absent where there were none. */
  readonly set?: readonly string[];
  /** Environment in which most stages were made: the last one. */
  readonly madeWith: Environment;
  /** Stages by id, in the order in which they run. */
  readonly stages: Readonly<Record<string, LockedStage>>;
}

export interface LockedStage {
  readonly kind: string;
  readonly codeVersion: number;
  /** Absent where the output does not depend on it. */
  readonly seed?: number;
  /** Absent where the output does not depend on it. */
  readonly precision?: string;
  /** Engine that computed the output; absent where it does not depend on it. */
  readonly engine?: string;
  /** The configuration with defaults, without paths of inputs and without keys that change no output. */
  readonly config: Readonly<Record<string, Json>>;
  /** Values of the keys that change no output; not compared. */
  readonly withoutEffect?: Readonly<Record<string, Json>>;
  /** Files and folders from outside, by the key that names each. */
  readonly inputs?: Readonly<Record<string, LockedInput>>;
  /** Revision of what was fetched, where the stage tells one. */
  readonly revision?: string;
  /** SHA-256 of the file that was downloaded. */
  readonly sha256?: string;
  readonly fingerprint: string;
  /** Hash of the output; absent where all of it tells how it was made, as a report does. */
  readonly output?: string;
  /** Present where someone accepted an output that was made from something else. */
  readonly accepted?: Omit<Acceptance, 'at'>;
  /** Differences from the lock's `madeWith`. */
  readonly madeWith?: Partial<Environment>;
  /** Figures that the stage reported about its output; not compared, since the output is. */
  readonly figures?: Readonly<Record<string, Json>>;
}

export interface LockedInput {
  readonly files: number;
  readonly bytes: number;
  /** Over the names and the content of all files. */
  readonly sha256: string;
}

/** The lock of a pipeline file lies beside it: `train.yaml` has `train.lock.yaml`. */
export function lockPath(pipelineFile: string): string {
  return join(dirname(pipelineFile), `${basename(pipelineFile, extname(pipelineFile))}.lock.yaml`);
}

/** A lock as text: a fact a line, in an order that follows from the pipeline alone. */
function formatLock(lock: Lock, pipelineFile: string): string {
  const name = basename(pipelineFile);
  const head = [
    `# What ${name} gave when it ran. Keep it in version control: \`pipeline run ${name} --locked\``,
    '# refuses whatever differs from it. Written by the program; not to be edited.',
  ];
  return `${head.join('\n')}\n${stringify(lock, { lineWidth: 0, aliasDuplicateObjects: false })}`;
}

/**
 * Writes the lock of a pipeline file, unless it is there already. Gives whether it was written.
 *
 * @throws UserError where the folder cannot be written to.
 */
export async function writeLock(
  lock: Lock,
  pipelineFile: string,
  path = lockPath(pipelineFile),
): Promise<boolean> {
  const text = formatLock(lock, pipelineFile);
  if ((await readWholeText(path).catch(() => undefined)) === text) return false;
  await replaceFile(path, text).catch((error: unknown) => {
    throw asUserError(error, path);
  });
  return true;
}

/**
 * Reads the lock of a pipeline file.
 *
 * @throws UserError `lock-missing` or `lock-invalid`.
 */
export async function readLock(pipelineFile: string): Promise<Lock> {
  const path = lockPath(pipelineFile);
  let text: string;
  try {
    text = await readWholeText(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw asUserError(error, path);
    throw new UserError({
      code: 'lock-missing',
      usage: true,
      message: `${path}: expected the lock of ${basename(pipelineFile)}, found no file.`,
      remedy: `A run without --locked writes it; \`pipeline lock ${basename(pipelineFile)}\` writes it for what has run.`,
    });
  }
  return parseLock(text, path);
}

/**
 * A lock of its text.
 *
 * @param path of its file, for messages
 * @throws UserError `lock-invalid`
 */
export function parseLock(text: string, path: string): Lock {
  let lock: Partial<Lock> | null = null;
  let problem: string | undefined;
  try {
    lock = parseNested(text) as Partial<Lock> | null;
  } catch (error) {
    problem = (error as Error).message.split('\n')[0]!.replace(/\.$/, '');
  }
  const isMap = (value: unknown): value is object =>
    typeof value === 'object' && value !== null && !Array.isArray(value);
  const isStage = (stage: unknown): boolean =>
    isMap(stage) && typeof (stage as Partial<LockedStage>).fingerprint === 'string';
  if (
    lock?.format === 1 &&
    isMap(lock.madeWith) &&
    isMap(lock.stages) &&
    Object.values(lock.stages).every(isStage)
  )
    return lock as Lock;
  const format: unknown = lock?.format;
  throw new UserError({
    code: 'lock-invalid',
    usage: true,
    message: `${path}: expected a lock of format 1, found ${problem ?? (typeof format === 'number' && format !== 1 ? `one of format ${format}` : 'something else')}.`,
    remedy: 'Take it from version control again, or write it anew with `pipeline lock`.',
  });
}
