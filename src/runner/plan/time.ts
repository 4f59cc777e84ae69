import { readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { environment, roundingKeys } from '../environment.js';
import { runtimeOf } from '../pipeline.js';
import { plannedInputs } from '../run/stage-context.js';
import type { PlannedInput, StageTiming } from '../stage.js';
import { type Manifest, manifestName, outputPlace, readAnyManifest } from '../store/manifest.js';
import type { Plan, PlannedStage } from './plan.js';

/** Time that a stage is expected to take, and what that is known from. */
export interface ExpectedTime {
  /** Range in seconds; absent where nothing tells. */
  readonly seconds?: readonly [least: number, most: number];
  /** Number of earlier outputs that it is told from. */
  readonly records: number;
}

/** Outputs of a kind that are looked at: the latest ones. */
const mostRecords = 12;
/** Bytes of a manifest of so many files that reading it would take longer than planning. */
const mostBytes = 2 ** 21;
/** Part by which times of equal work differ on a machine that also does other things. */
const usualSpread = 0.15;
/** Part that is added for each doubling of the work beyond what was measured: what is not in proportion to it. */
const spreadPerDoubling = 0.05;

/**
 * Times of the stages that are to run, by id, from what stages like them took on this machine. Kinds that say nothing of
 * their length are left out.
 */
export async function expectedTimes(
  plan: Pick<Plan, 'pipeline' | 'stages' | 'runsRoot'>,
): Promise<ReadonlyMap<string, ExpectedTime>> {
  const { pipeline, stages, runsRoot } = plan;
  const timed = stages.filter(({ kind, reasons }) => reasons.length > 0 && kind.timing !== undefined);
  const times = new Map<string, ExpectedTime>();
  if (timed.length === 0) return times;
  const records = await Records.read(runsRoot, new Set(stages.map(({ kind }) => kind.name)));
  const resolve = plannedInputs(plan);
  for (const planned of timed) {
    const { stage, kind } = planned;
    const timing = await kind.timing!(stage.config, resolve);
    const machine = environment(runtimeOf(pipeline, stage));
    times.set(stage.id, await timeOf(planned, timing, machine, records));
  }
  return times;
}

interface Pace {
  readonly amount: number;
  readonly seconds: number;
}

async function timeOf(
  { kind, interruptedSeconds, origin }: PlannedStage,
  timing: StageTiming | undefined,
  machine: Manifest['madeWith'],
  records: Records,
): Promise<ExpectedTime> {
  if (timing === undefined) return { records: 0 };
  const known: Pace[] = [];
  for (const manifest of records.of(kind.name)) {
    const { madeWith, origin: other, seconds } = manifest;
    if (roundingKeys.some((key) => madeWith[key] !== machine[key])) continue;
    if (other.precision !== origin.precision || other.engine !== origin.engine) continue;
    const then = await timingThen(kind, manifest, records);
    if (then?.amount === undefined || then.amount <= 0 || !isDeepStrictEqual(then.like, timing.like))
      continue;
    known.push({ amount: then.amount, seconds });
  }
  if (known.length === 0) return { records: 0 };
  // Where the amount is not known yet, it is taken to be as it was.
  const estimates = known.map((pace) => estimate(pace, timing.amount ?? pace.amount));
  const least = Math.min(...estimates.map(([low]) => low));
  const most = Math.max(...estimates.map(([, high]) => high));
  return {
    seconds: [Math.max(0, least - interruptedSeconds), Math.max(0, most - interruptedSeconds)],
    records: known.length,
  };
}

/** Work of an output, as its kind tells it; nothing where what it was made from is not there any more. */
async function timingThen(
  kind: PlannedStage['kind'],
  manifest: Manifest,
  records: Records,
): Promise<StageTiming | undefined> {
  try {
    return await kind.timing!(manifest.origin.config, records.inputsOf(manifest));
  } catch {
    return undefined;
  }
}

/** A time in proportion to the work, in a range that is the wider the further the work is from what was measured. */
function estimate({ amount: measured, seconds }: Pace, amount: number): readonly [number, number] {
  const time = (seconds * amount) / measured;
  const spread = usualSpread + spreadPerDoubling * Math.abs(Math.log2(amount / measured));
  return [time / (1 + spread), time * (1 + spread)];
}

/** Manifests of the outputs in a folder that are the latest. One that is damaged is told of by whoever needs it. */
async function latestOf(folder: string): Promise<readonly Manifest[]> {
  const names = await readdir(folder).catch(() => []);
  const found = await Promise.all(
    names
      .filter((name) => !name.includes('.'))
      .map(async (name) => {
        const path = join(folder, name, manifestName);
        const file = await stat(path).catch(() => undefined);
        return file === undefined || file.size > mostBytes ? [] : [{ path, changed: file.mtimeMs }];
      }),
  );
  const latest = found
    .flat()
    .sort((a, b) => b.changed - a.changed)
    .slice(0, mostRecords);
  const manifests = await Promise.all(
    latest.map(({ path }) => readAnyManifest(dirname(path)).catch(() => undefined)),
  );
  return manifests.filter((manifest) => manifest !== undefined);
}

/** The outputs of a store with what they were made from, as `timing` takes them. */
class Records {
  private constructor(
    private readonly runsRoot: string,
    private readonly all: readonly Manifest[],
  ) {}

  /** Reads the latest outputs of some kinds. */
  static async read(runsRoot: string, kinds: ReadonlySet<string>): Promise<Records> {
    const each = await Promise.all([...kinds].map((kind) => latestOf(join(runsRoot, 'store', kind))));
    return new Records(runsRoot, each.flat());
  }

  of(kind: string): readonly Manifest[] {
    return this.all.filter((manifest) => manifest.kind === kind);
  }

  /** Stages before an output by the ids that they had in its pipeline: those that it read, and those that they read. */
  inputsOf(manifest: Manifest): (stage: string) => PlannedInput {
    return (stage) => {
      const input = this.inputOf(manifest, stage);
      if (input === undefined) throw new Error(`The output of ${stage} is not there any more.`);
      const { kind, fingerprint, summary, seconds } = input;
      const config = input.origin.config;
      const { directory } = outputPlace(this.runsRoot, kind, fingerprint);
      return { kind, config, output: { stage, kind, directory, fingerprint, config, summary, seconds } };
    };
  }

  private inputOf({ origin: { references } }: Manifest, stage: string): Manifest | undefined {
    const outputOf = (wanted: string) => this.all.find(({ fingerprint }) => fingerprint === wanted);
    const direct = references.find((each) => each.stage === stage);
    if (direct !== undefined) return outputOf(direct.fingerprint);
    for (const { fingerprint } of references) {
      const before = outputOf(fingerprint);
      const found = before && this.inputOf(before, stage);
      if (found !== undefined) return found;
    }
    return undefined;
  }
}
