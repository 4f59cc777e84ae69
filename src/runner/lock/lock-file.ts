import { basename, dirname, extname, join, relative, resolve } from 'node:path';
import { stringify } from 'yaml';
import { UserError } from '../../base/errors.js';
import { lockEnding } from '../../base/file-names.js';
import { asUserError, readWholeText } from '../../base/files.js';
import { shellWord } from '../../base/format.js';
import { isMap } from '../../base/is-map.js';
import type { Environment } from '../environment.js';
import { canonicalJson, type Origin, valueAt, withoutKeys } from '../fingerprint/origin.js';
import type { Plan, PlannedStage } from '../plan/plan.js';
import { folderBeside } from '../runs-root.js';
import type { Acceptance, Json } from '../stage.js';
import { type Manifest, outputHash, replaceFile } from '../store/manifest.js';
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

/** An acceptance as a lock tells of it; those of earlier versions do not tell when it was. */
export type LockedAcceptance = Omit<Acceptance, 'at'> & Partial<Pick<Acceptance, 'at'>>;

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
  readonly accepted?: LockedAcceptance;
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

/** The lock of a pipeline file lies beside it: `train.yaml` has `train.lock.yaml`. Absolute. */
export function lockPath(pipelineFile: string): string {
  return join(folderBeside(pipelineFile), `${basename(pipelineFile, extname(pipelineFile))}${lockEnding}`);
}

/** A lock as text: a fact a line, in an order that follows from the pipeline alone. */
function formatLock(lock: Lock, pipelineFile: string, path: string): string {
  const name = relative(dirname(path), resolve(pipelineFile));
  const head = [
    `# What ${name} gave when it ran. Keep it in version control: \`npx pipeline run ${shellWord(name)} --locked\``,
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
  const text = formatLock(lock, pipelineFile, path);
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
      remedy: `A run without --locked writes it; \`npx pipeline lock ${shellWord(basename(pipelineFile))}\` writes it for what has run.`,
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
    remedy: 'Take it from version control again, or write it anew with `npx pipeline lock`.',
  });
}

/** The lock of a pipeline of which every planned stage has an output. It follows from the outputs alone. */
export function makeLock(
  { pipeline, stages }: Plan,
  outputs: ReadonlyMap<string, Manifest>,
  set: readonly string[] = [],
): Lock {
  const manifests = stages.map(({ stage }) => outputs.get(stage.id)!);
  const madeWith = manifests.at(-1)!.madeWith;
  return {
    format: 1,
    pipeline: pipeline.name,
    ...(set.length > 0 && { set }),
    madeWith,
    stages: Object.fromEntries(
      stages.map((planned, i) => [planned.stage.id, lockStage(planned, manifests[i]!, madeWith)]),
    ),
  };
}

function lockStage(
  { origin, fingerprint, accepted }: PlannedStage,
  manifest: Manifest,
  usual: Environment,
): LockedStage {
  const { revision, sha256 } = manifest.summary;
  const figures = Object.entries(manifest.summary).filter(
    ([name, value]) => typeof value !== 'string' && !manifest.measured?.includes(name),
  );
  const output = outputHash(manifest);
  const unusual = Object.entries(manifest.madeWith).filter(
    ([key, value]) => usual[key as keyof Environment] !== value,
  );
  return {
    ...lockOrigin(origin),
    ...(typeof revision === 'string' && { revision }),
    ...(typeof sha256 === 'string' && { sha256 }),
    fingerprint: accepted ? fingerprint : manifest.fingerprint,
    ...(accepted && { accepted }),
    ...(output !== undefined && { output }),
    ...(unusual.length > 0 && { madeWith: Object.fromEntries(unusual) }),
    ...filled('figures', Object.fromEntries(figures)),
  };
}

/** The part of a locked stage that is known before it runs. */
export function lockOrigin(origin: Origin): Omit<LockedStage, 'fingerprint'> {
  const { kind, codeVersion, seed, precision, engine, withoutEffect = [] } = origin;
  const inputPaths = origin.inputs.flatMap(({ paths }) => paths);
  const idle = withoutEffect.map((path) => [path.join('.'), valueAt(origin.config, path) ?? null] as const);
  return {
    kind,
    codeVersion,
    ...(seed !== undefined && { seed }),
    ...(precision !== undefined && { precision }),
    ...(engine !== undefined && { engine }),
    config: sorted(withoutKeys(origin.config, [...withoutEffect, ...inputPaths])) as LockedStage['config'],
    ...filled('withoutEffect', Object.fromEntries(idle)),
    ...filled('inputs', lockInputs(origin)),
  };
}

function lockInputs({ inputs }: Origin): Readonly<Record<string, LockedInput>> {
  return Object.fromEntries(
    inputs.map(({ paths, files, bytes, digest }, i) => [
      paths[0]?.join('.') ?? `input ${i + 1}`,
      { files, bytes, sha256: digest },
    ]),
  );
}

function filled<Key extends string, Value extends object>(
  key: Key,
  value: Value,
): Partial<Readonly<Record<Key, Value>>> {
  return Object.keys(value).length === 0 ? {} : ({ [key]: value } as Readonly<Record<Key, Value>>);
}

/** Sorts the keys of every map by their names, so that the lock does not tell of their order in the file. */
function sorted(value: Json): Json {
  return JSON.parse(canonicalJson(value)) as Json;
}

/** Outcome of keeping the lock of a run that has finished. */
export interface KeptLock {
  readonly path: string;
  /** True when it was not there in the same words already. */
  readonly changed: boolean;
  /** Reason why it could not be written. */
  readonly problem?: string;
}

/** Writes the lock beside the pipeline file. That it cannot be written is no failure of what has run. */
export async function keepLock(plan: Plan, outputs: ReadonlyMap<string, Manifest>): Promise<KeptLock> {
  const { file } = plan.pipeline;
  const path = lockPath(file);
  try {
    return { path, changed: await writeLock(makeLock(plan, outputs), file) };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { path, changed: false, problem: error.message };
  }
}
