import { UserError } from '../../base/errors.js';
import type { Environment } from '../environment.js';
import { canonicalJson, type Origin, valueAt, withoutKeys } from '../fingerprint/origin.js';
import type { Plan, PlannedStage } from '../plan/plan.js';
import type { Json } from '../stage.js';
import { type Manifest, outputHash } from '../store/manifest.js';
import { type Lock, type LockedInput, type LockedStage, lockPath, writeLock } from './lock-file.js';

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
    ...(accepted && { accepted: { output: accepted.output, differences: accepted.differences } }),
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
