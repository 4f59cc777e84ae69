import { UserError } from '../../base/errors.js';
import { asText, counted } from '../../base/format.js';
import { type Environment, environment, roundingKeys, versionKeys } from '../environment.js';
import { canonicalJson } from '../fingerprint/origin.js';
import { compareConfigs } from '../plan/explain.js';
import type { Plan, PlannedStage } from '../plan/plan.js';
import type { Json } from '../stage.js';
import { type Manifest, outputHash } from '../store/manifest.js';
import { type Lock, type LockedInput, type LockedStage, lockOrigin, lockPath } from './lock-file.js';

/** A fact that is not as the lock has it. */
export interface LockDifference {
  /** The key in the pipeline file that the fact is about, or the name of a version. */
  readonly key: string;
  /** Absent where the lock has no such fact. */
  readonly locked?: Json;
  /** Absent where there is no such fact now. */
  readonly found?: Json;
}

/** Lists every difference of a plan and the environment from a lock; of stages only those that are planned. */
function compareWithLock(plan: Plan, lock: Lock, now: Environment): readonly LockDifference[] {
  const planned = new Set(plan.stages.map(({ stage }) => stage.id));
  const known = plan.pipeline.stages;
  const differences = [
    ...versionKeys.flatMap((key) => differing(key, lock.madeWith[key], now[key])),
    ...Object.keys(lock.stages)
      .filter((id) => !planned.has(id) && !known.has(id))
      .map((id) => ({ key: `stages.${id}`, locked: lock.stages[id]!.kind })),
    ...plan.stages.flatMap((stage) => compareStage(stage, lock)),
  ];
  // A seed that differs does so in every stage that depends on it.
  return [...new Map(differences.map((difference) => [JSON.stringify(difference), difference])).values()];
}

function compareStage(planned: PlannedStage, { stages }: Lock): readonly LockDifference[] {
  const { stage, origin, fingerprint, recipe, awaits, output } = planned;
  const locked = stages[stage.id];
  const at = `stages.${stage.id}`;
  if (locked === undefined) return [{ key: at, found: stage.kind }];
  // Locks that were written before contents were told apart from fingerprints have recipes.
  const isKnown = awaits.length === 0;
  if (isKnown && [fingerprint, recipe].includes(locked.fingerprint))
    return output === undefined ? [] : compareOutput(stage.id, locked, output);
  const found = lockOrigin(origin);
  if (locked.kind !== found.kind) return differing(`${at}.uses`, locked.kind, found.kind);
  const changes = [...compareConfigs(['stages', stage.id], locked.config, found.config)].flatMap((reason) =>
    reason.type === 'changed' ? differing(reason.key, reason.from, reason.to) : [],
  );
  const reasons = [
    ...differing(`code of ${found.kind}`, locked.codeVersion, found.codeVersion),
    ...differing(stage.own?.seed === undefined ? 'seed' : `${at}.seed`, locked.seed, found.seed),
    ...differing(
      stage.own?.runtime?.precision === undefined ? 'runtime.precision' : `${at}.runtime.precision`,
      locked.precision,
      found.precision,
    ),
    ...differing('engine', locked.engine, found.engine),
    ...changes,
    ...compareInputs(at, locked.inputs ?? {}, found.inputs ?? {}),
  ];
  // What follows from an upstream stage is told there, and what it will give is compared when it has.
  const follows =
    !isKnown ||
    origin.references.some((upstream) => stages[upstream.stage]?.fingerprint !== upstream.fingerprint);
  return reasons.length > 0 || follows
    ? reasons
    : differing(`${at} fingerprint`, locked.fingerprint, fingerprint);
}

type Inputs = Readonly<Record<string, LockedInput>>;

function compareInputs(at: string, locked: Inputs, found: Inputs): readonly LockDifference[] {
  const keys = new Set([...Object.keys(locked), ...Object.keys(found)]);
  return [...keys].flatMap((key) => differing(`${at}.${key}`, content(locked[key]), content(found[key])));
}

function content(input: LockedInput | undefined): string | undefined {
  return input && `${input.files} files, ${input.bytes} bytes, SHA-256 ${input.sha256}`;
}

/** Compares an output with the locked one. Its revision, where it has one, tells why it is not. */
function compareOutput(id: string, locked: LockedStage, output: Manifest): readonly LockDifference[] {
  const { revision } = output.summary;
  return [
    ...differing(
      `stages.${id} revision`,
      locked.revision,
      typeof revision === 'string' ? revision : undefined,
    ),
    ...differing(`stages.${id} output`, locked.output, outputHash(output)),
  ];
}

/** Lists what may have made an output another one, between the making of a locked stage and now, and is not refused. */
function possibleCauses(lock: Lock, id: string, { madeWith, origin }: Manifest): readonly LockDifference[] {
  const stage = lock.stages[id]!;
  const then = { ...lock.madeWith, ...stage.madeWith };
  const idle = lockOrigin(origin).withoutEffect ?? {};
  return [
    ...(['node', ...roundingKeys] as const).flatMap((key) => differing(key, then[key], madeWith[key])),
    ...Object.entries(idle).flatMap(([key, value]) =>
      differing(`stages.${id}.${key}`, stage.withoutEffect?.[key], value),
    ),
  ];
}

function differing(
  key: string,
  locked: Json | undefined,
  found: Json | undefined,
): readonly LockDifference[] {
  if (same(locked, found)) return [];
  return [{ key, ...(locked !== undefined && { locked }), ...(found !== undefined && { found }) }];
}

function same(a: Json | undefined, b: Json | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return canonicalJson(a) === canonicalJson(b);
}

/** A plan or an output is not as the lock has it. */
export class LockDiffersError extends UserError {
  readonly differences: readonly LockDifference[];

  constructor(message: string, remedy: string, differences: readonly LockDifference[]) {
    super({ code: 'lock-differs', message, remedy });
    this.differences = differences;
  }
}

/** @throws LockDiffersError where a run of the plan, here and now, would not be the run that the lock tells of. */
export function refuseDifferences(plan: Plan, lock: Lock): void {
  const { file, runtime } = plan.pipeline;
  const differences = compareWithLock(plan, lock, environment(runtime));
  if (differences.length === 0) return;
  const count = counted(differences.length, 'fact differs', 'facts differ');
  throw new LockDiffersError(
    `${count} from ${lockPath(file)}; nothing was run.`,
    'Undo the changes, or run without --locked, which writes the lock anew.',
    differences,
  );
}

/** @throws LockDiffersError where a stage's output is not the one that the lock tells of. */
export function refuseOutput(pipelineFile: string, lock: Lock, id: string, output: Manifest): void {
  const differences = compareOutput(id, lock.stages[id]!, output);
  if (differences.length === 0) return;
  const causes = possibleCauses(lock, id, output);
  const lines = [...differences, ...causes].map((difference) => `\n  ${formatDifference(difference)}`);
  throw new LockDiffersError(
    `The output is not the one that ${lockPath(pipelineFile)} tells of:${lines.join('')}`,
    causes.length > 0
      ? `${causes.map(({ key }) => key).join(', ')}: another one may round the last bits otherwise, from which all else follows. On the same kind of machine, with the same versions and settings, outputs are equal.`
      : 'With the same versions, settings and kind of processor outputs are equal: report this, with both locks.',
    differences,
  );
}

/** Formats a difference, such as `stages.train.steps: 2300 in the lock, 20 found`. */
export function formatDifference({ key, locked, found }: LockDifference): string {
  const words = (value: Json | undefined): string => (value === undefined ? 'nothing' : asText(value));
  return `${key}: ${words(locked)} in the lock, ${words(found)} found`;
}
