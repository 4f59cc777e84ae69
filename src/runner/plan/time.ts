import { readdir, stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { UserError } from '../../base/errors.js';
import { othersShare, processorTimes } from '../../base/other-work.js';
import { environment, roundingKeys } from '../environment.js';
import { runtimeOf } from '../pipeline.js';
import { plannedInputs } from '../run/stage-context.js';
import { untoldBefore } from '../stage.js';
import type {
  Json,
  PlanFolders,
  PlannedInput,
  RuntimeConfig,
  StageRate,
  StageTiming,
  UntoldTime,
  WorkAmount,
} from '../stage.js';
import { type Manifest, manifestName, outputPlace, readAnyManifest } from '../store/manifest.js';
import { processesOf } from './describe.js';
import type { Plan, PlannedStage } from './plan.js';
import { keepRate, type KeptRate, keptRate } from './rates.js';

type Range = readonly [least: number, most: number];

/** Time that a stage is expected to take, and what that is known from. */
export interface ExpectedTime {
  /** Range in seconds; absent where nothing tells. */
  readonly seconds?: Range;
  /** Number of earlier outputs that it is told from. */
  readonly records: number;
  /** ISO 8601: when the speed of this machine was measured, where it is told from that. */
  readonly measuredAt?: string;
  /** Share of the processors' time that other programs took during that. */
  readonly othersShare?: number;
  /** True where it is told from the kind alone, whose stages are quick. */
  readonly isQuick?: boolean;
  /** Reason why nothing tells. */
  readonly problem?: string;
}

/** Outputs of a kind that are looked at: the latest ones. */
const mostRecords = 12;
/** Bytes of a manifest of so many files that reading it would take longer than planning. */
const mostBytes = 2 ** 21;
/** Seconds of a stage whose kind is quick, where no record tells. */
const quickSeconds: Range = [0, 2];
/** Part by which times of equal work differ on a machine that also does other things. */
const usualSpread = 0.15;
/** Part that is added for each doubling of the work beyond what was measured: what is not in proportion to it. */
const spreadPerDoubling = 0.05;
/** Part by which stages take longer than short measurements tell: they also log, write and wait. */
const beyondMeasured = 0.4;
/** Part that each further worker on the same processor adds at most: they share its cores, and exchange gradients. */
const beyondWorker = 0.15;
/** Doublings beyond which a time in proportion says less than a measurement. */
const farDoublings = 3;
/** Doublings by which records may be further from the work than the nearest one, and still count. */
const alikeDoublings = 1;

/**
 * Times of the stages that are to run, by id: from what stages like them took on this machine, or from its speed as it was
 * measured within a day. Kinds that say nothing of their length are left out.
 *
 * @param measures called before the speed of a stage that no record tells of is measured; without it none is
 */
export async function expectedTimes(
  plan: Pick<Plan, 'pipeline' | 'stages' | 'runsRoot'>,
  measures?: (stage: string) => void,
): Promise<ReadonlyMap<string, ExpectedTime>> {
  const { pipeline, stages, runsRoot } = plan;
  const timed = stages.filter(({ kind, reasons }) => reasons.length > 0 && kind.timing !== undefined);
  const times = new Map<string, ExpectedTime>();
  if (timed.length === 0) return times;
  const records = await Records.read(runsRoot, new Set(stages.map(({ kind }) => kind.name)));
  const foreseen = new Map<string, Readonly<Record<string, Json>>>();
  const known = plannedInputs(plan);
  const resolve = (id: string): PlannedInput => {
    const [input, facts] = [known(id), foreseen.get(id)];
    return input.output === undefined && facts !== undefined ? { ...input, foreseen: facts } : input;
  };
  for (const planned of timed) {
    const { stage, kind } = planned;
    const { id, config } = stage;
    const timing = await kind.timing!(config, resolve);
    if (timing === undefined) {
      const waits = stage.references.find((each) => resolve(each.stage).output === undefined);
      times.set(id, { records: 0, ...(waits && { problem: untoldBefore(waits.stage).untold }) });
      continue;
    }
    const runtime = runtimeOf(pipeline, stage);
    const machine = environment(runtime);
    const paces = (await pacesOf(planned, timing, machine, records)).filter(
      (pace) => estimate(pace, timing.amount ?? pace.amount) !== undefined,
    );
    const near = paces.filter((pace) => pace.unitSeconds !== undefined || !isFar(pace, timing.amount));
    const key = rateKey(planned, timing, machine);
    let rate = near.length > 0 ? undefined : await keptRate(key);
    let problem: string | undefined;
    if (near.length === 0 && rate === undefined && measures && kind.measure) {
      measures(id);
      try {
        const before = processorTimes();
        const found = await measured(
          planned,
          resolve,
          { pipeline: pipeline.directory, runs: runsRoot },
          runtime,
        );
        if ('untold' in found) problem = found.untold;
        else rate = await keepRate(key, found, othersShare(before, processorTimes()));
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        problem = error.message;
      }
    }
    if (rate?.foreseen) foreseen.set(id, rate.foreseen);
    const told = near.length > 0 ? near : rate === undefined ? paces : [];
    const isQuick = kind.isQuick === true && told.length === 0;
    times.set(id, {
      ...(isQuick
        ? { records: 0, seconds: quickSeconds, isQuick }
        : timeFrom(told, rate, timing.amount, planned.interruptedSeconds)),
      ...(problem !== undefined && { problem }),
    });
  }
  return times;
}

/**
 * Measures one process. Workers on one processor share its cores: together they are as fast as one, but for what they
 * exchange.
 */
async function measured(
  { stage: { config }, kind }: PlannedStage,
  resolve: (stage: string) => PlannedInput,
  folders: PlanFolders,
  runtime: RuntimeConfig,
): Promise<StageRate | UntoldTime> {
  const workers = processesOf(kind, runtime);
  if (workers > 1 && environment(runtime).build === 'cuda')
    return { untold: `one GPU does not tell how fast ${workers} of them are together` };
  const threads = Math.min(availableParallelism(), workers * runtime.threads);
  const rate = await kind.measure!(config, resolve, { ...runtime, threads, workers: 1 }, folders);
  if (workers === 1 || 'untold' in rate) return rate;
  const { setupSeconds, unitSeconds, mostUnitSeconds = unitSeconds } = rate;
  const factor = 1 + beyondWorker * (workers - 1);
  const times = (most: WorkAmount): WorkAmount =>
    typeof most === 'number'
      ? most * factor
      : Object.fromEntries(Object.entries(most).map(([sort, seconds]) => [sort, seconds * factor]));
  return { ...rate, setupSeconds: setupSeconds * workers, mostUnitSeconds: times(mostUnitSeconds) };
}

/** Time that a stage like it took, and for which work. */
interface Pace {
  readonly amount: WorkAmount;
  readonly seconds: number;
  /** Time of a unit without setting up, where that was logged. */
  readonly unitSeconds?: WorkAmount;
}

/** Units of work of all sorts. */
const totalOf = (amount: WorkAmount): number =>
  typeof amount === 'number' ? amount : Object.values(amount).reduce((sum, units) => sum + units, 0);

/** Time of some units of work; undefined where there are some of a sort whose time is not known. */
function timeOf(amount: WorkAmount, unitSeconds: WorkAmount): number | undefined {
  if (typeof amount === 'number') return typeof unitSeconds === 'number' ? amount * unitSeconds : undefined;
  if (typeof unitSeconds === 'number') return undefined;
  const times = Object.entries(amount)
    .filter(([, units]) => units > 0)
    .map(([sort, units]) => units * (unitSeconds[sort] ?? NaN));
  const time = times.reduce((sum, each) => sum + each, 0);
  return Number.isNaN(time) ? undefined : time;
}

/** Doublings or halvings that lie between two amounts of work. */
const doublings = (a: WorkAmount, b: WorkAmount): number =>
  Math.abs(Math.log2(Math.max(1, totalOf(a)) / Math.max(1, totalOf(b))));

/** True where the work is so unlike what was measured that a measurement is worth more than a time in proportion. */
const isFar = ({ amount: measured }: Pace, amount = measured): boolean =>
  doublings(amount, measured) > farDoublings;

/** Facts that the speed of a stage depends on. */
const rateKey = ({ kind, origin }: PlannedStage, { like }: StageTiming, machine: Manifest['madeWith']) => ({
  ...{ format: 3, kind: kind.name, codeVersion: kind.codeVersion, like },
  inputs: origin.inputs.map(({ digest }) => digest),
  ...{ precision: origin.precision, engine: origin.engine, machine },
});

function timeFrom(
  paces: readonly Pace[],
  rate: KeptRate | undefined,
  amount: WorkAmount | undefined,
  interruptedSeconds: number,
): ExpectedTime {
  const estimates =
    paces.length > 0
      ? estimatesFrom(paces, amount)
      : rate === undefined
        ? []
        : measuredEstimate(rate, amount);
  if (estimates.length === 0) return { records: 0 };
  const least = Math.min(...estimates.map(([low]) => low));
  const most = Math.max(...estimates.map(([, high]) => high));
  return {
    seconds: [Math.max(0, least - interruptedSeconds), Math.max(0, most - interruptedSeconds)],
    records: paces.length === 0 ? 0 : estimates.length,
    ...(paces.length === 0 && { measuredAt: rate!.at, othersShare: rate!.othersShare }),
  };
}

async function pacesOf(
  { kind, origin }: PlannedStage,
  timing: StageTiming,
  machine: Manifest['madeWith'],
  records: Records,
): Promise<readonly Pace[]> {
  const known: Pace[] = [];
  for (const manifest of records.of(kind.name)) {
    const { madeWith, origin: other, seconds } = manifest;
    if (roundingKeys.some((key) => madeWith[key] !== machine[key])) continue;
    if (other.precision !== origin.precision || other.engine !== origin.engine) continue;
    const then = await timingThen(kind, manifest, records);
    // An amount that is not known is 1 then and now.
    if (then === undefined || !isDeepStrictEqual(then.like, timing.like)) continue;
    const directory = records.directoryOf(manifest);
    const unitSeconds = await kind.unitSeconds?.({ directory }).catch(() => undefined);
    if (unitSeconds === undefined && totalOf(then.amount ?? 1) <= 0) continue;
    known.push({ amount: then.amount ?? 1, seconds, ...(unitSeconds !== undefined && { unitSeconds }) });
  }
  return known;
}

/** Work of an output, as its kind tells it; nothing where what it was made from is not there any more. */
async function timingThen(
  kind: PlannedStage['kind'],
  manifest: Manifest,
  records: Records,
): Promise<StageTiming | undefined> {
  try {
    return await kind.timing!(manifest.origin.config, records.inputsOf(manifest), {
      directory: records.directoryOf(manifest),
    });
  } catch {
    return undefined;
  }
}

/**
 * Ranges that records tell: those of about as much work as the nearest, and of these the middle half, as a machine that
 * also did other things made some longer. An amount that is not known yet is taken to be as it was.
 */
function estimatesFrom(paces: readonly Pace[], amount: WorkAmount | undefined): readonly Range[] {
  const told = paces.map((pace) => ({
    time: estimate(pace, amount ?? pace.amount)!,
    distance: doublings(amount ?? pace.amount, pace.amount),
  }));
  const nearest = Math.min(...told.map(({ distance }) => distance));
  const alike = told
    .filter(({ distance }) => distance <= nearest + alikeDoublings)
    .sort((a, b) => a.time - b.time);
  const outer = Math.floor(alike.length / 4);
  return alike
    .slice(outer, alike.length - outer)
    .map(({ time, distance }) => around(time, spreadPerDoubling * distance));
}

/** A time in proportion to the work, but for what sets it up where that is known. */
function estimate({ amount: measured, seconds, unitSeconds }: Pace, amount: WorkAmount): number | undefined {
  if (unitSeconds === undefined) return (seconds * totalOf(amount)) / totalOf(measured);
  const [then, now] = [timeOf(measured, unitSeconds), timeOf(amount, unitSeconds)];
  return then === undefined || now === undefined ? undefined : Math.max(0, seconds - then) + now;
}

/** Range that a measured speed tells; nothing where the amount of work is not known. */
function measuredEstimate(
  { setupSeconds, unitSeconds, mostUnitSeconds = unitSeconds, amount }: KeptRate,
  known: WorkAmount | undefined,
): readonly Range[] {
  const units = amount ?? known;
  if (units === undefined) return [];
  const [least, most] = [timeOf(units, unitSeconds), timeOf(units, mostUnitSeconds)];
  if (least === undefined || most === undefined) return [];
  return [[setupSeconds + least, (setupSeconds + most) * (1 + beyondMeasured)]];
}

/** Range about a time; it is the wider the further the work is from what was measured. */
const around = (seconds: number, further: number): Range => [
  seconds / (1 + usualSpread + further),
  seconds * (1 + usualSpread + further),
];

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

  directoryOf({ kind, fingerprint }: Manifest): string {
    return outputPlace(this.runsRoot, kind, fingerprint).directory;
  }

  /** Stages before an output by the ids that they had in its pipeline: those that it read, and those that they read. */
  inputsOf(manifest: Manifest): (stage: string) => PlannedInput {
    return (stage) => {
      const input = this.inputOf(manifest, stage);
      if (input === undefined) throw new Error(`The output of ${stage} is not there any more.`);
      const { kind, fingerprint, summary, seconds } = input;
      const config = input.origin.config;
      const directory = this.directoryOf(input);
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
