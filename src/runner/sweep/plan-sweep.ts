import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { valueAt } from '../fingerprint/origin.js';
import { PlanMemory, type PlanMemoryOptions } from '../plan/memory.js';
import { makePlan, type PlannedStage } from '../plan/plan.js';
import { lastFigures } from '../runs/figures.js';
import type { Run } from '../runs/run.js';
import type { Headline, Json, StageRegistry } from '../stage.js';
import type { Forcing } from './results.js';
import { metricsOf, sweptKeys, type Trial, type TrialFacts, type TrialOutlook } from './trial.js';

/** A trial with its stages, in the order in which they run. */
export interface PlannedTrial {
  readonly trial: Trial;
  readonly stages: readonly PlannedStage[];
}

export interface SweepPlanOptions extends PlanMemoryOptions {
  readonly trials: readonly Trial[];
  readonly registry: StageRegistry;
  readonly until?: string | undefined;
  readonly forced?: Forcing | undefined;
}

/** Plans every trial. Inputs and outputs that trials share are looked at once. */
export async function planSweep(options: SweepPlanOptions): Promise<readonly PlannedTrial[]> {
  const { trials, registry, runsRoot, until, signal, forced } = options;
  const memory = new PlanMemory(options);
  const planned: PlannedTrial[] = [];
  for (const trial of trials) {
    const { pipeline } = trial;
    const { stages } = await makePlan({
      ...{ pipeline, registry, runsRoot, until, memory, force: forced?.force, forcedSince: forced?.since },
      ...(signal && { signal }),
    });
    planned.push({ trial, stages });
  }
  return planned;
}

/** Metrics that trials may come to, in the order of their stages. */
export function possibleMetrics(planned: readonly PlannedTrial[]): readonly string[] {
  const names = planned.flatMap(({ stages }) =>
    stages.flatMap(({ stage, kind }) => kind.figures.map((name) => `${stage.id}.${name}`)),
  );
  return [...new Set(names)];
}

/** Metrics that tell what was asked for or how much was done: tables of trials leave them out. */
function amountMetrics(planned: readonly PlannedTrial[]): readonly string[] {
  const names = planned.flatMap(({ stages }) =>
    stages.flatMap(({ stage, kind }) => (kind.amounts ?? []).map((name) => `${stage.id}.${name}`)),
  );
  return [...new Set(names)];
}

/**
 * Metrics by which trials are judged, of those that they may come to: the last stages' first, without those of stages that
 * all trials share.
 */
export function headlineMetrics(planned: readonly PlannedTrial[]): readonly Headline[] {
  return distinctHeadlines(planned).map(({ id, headline: { name, better } }) => ({
    name: `${id}.${name}`,
    better,
  }));
}

/** Those of them that measure something else in some trials, which do not compare by them, and the keys that make it so. */
export function apartMetrics(planned: readonly PlannedTrial[]): Readonly<Record<string, readonly string[]>> {
  return Object.fromEntries(
    distinctHeadlines(planned).flatMap(({ id, headline, differing }) =>
      differing.length === 0 ? [] : [[`${id}.${headline.name}`, differing]],
    ),
  );
}

function distinctHeadlines(planned: readonly PlannedTrial[]) {
  const shared = sharedStages(planned);
  const headlines = planned.flatMap(({ stages }) =>
    stages
      .toReversed()
      .flatMap(({ stage: { id }, kind }) =>
        shared.has(id) ? [] : (kind.headlines ?? []).map((headline) => ({ id, headline })),
      ),
  );
  return [...new Map(headlines.map((each) => [`${each.id}.${each.headline.name}`, each])).values()].map(
    (each) => ({ ...each, differing: differingKeys(planned, each.id, each.headline) }),
  );
}

/** Dotted keys of the trials' stage in which trials differ, of those within which a headline compares. */
export function differingKeys(
  planned: readonly PlannedTrial[],
  id: string,
  { within = [] }: Headline,
): readonly string[] {
  const meanings = (key: string): readonly unknown[] =>
    planned.flatMap(({ stages }) => {
      const found = stages.find(({ stage }) => stage.id === id);
      if (found === undefined) return [];
      const value = valueAt(found.stage.config as Json, key.split('.'));
      return [stages.find(({ stage }) => stage.id === value)?.recipe ?? value];
    });
  return within.flatMap((key) => {
    const [first, ...others] = meanings(key);
    return others.every((other) => isDeepStrictEqual(other, first)) ? [] : [`stages.${id}.${key}`];
  });
}

/** Ids of the stages that have to run for a trial. */
export function stagesToRun({ stages }: PlannedTrial): readonly string[] {
  return stages.flatMap(({ stage, reasons }) => (reasons.length > 0 ? [stage.id] : []));
}

/** Columns of a sweep's table: swept keys, the metrics that compare trials or would, and those that it leaves out. */
export const columnsOf = (planned: readonly PlannedTrial[]) => ({
  keys: sweptKeys(planned.map(({ trial }) => trial)),
  headlines: headlineMetrics(planned),
  apart: apartMetrics(planned),
  amounts: amountMetrics(planned),
});

export const outlookOf = (planned: PlannedTrial): TrialOutlook => ({
  trial: planned.trial.id,
  values: planned.trial.values,
  toRun: stagesToRun(planned),
});

/**
 * Facts of a trial of which every output is there.
 *
 * @param known folder of its last run, where that is known
 * @param listed all runs, oldest first, among which it is looked for otherwise
 */
export async function cachedResult(
  planned: PlannedTrial,
  known: string | undefined,
  listed: () => Promise<readonly Run[]>,
): Promise<TrialFacts> {
  const { stages } = planned;
  const run = known ?? runWith(planned, await listed());
  const outputs = stages.map(({ stage, place, output }) => ({ id: stage.id, place, output: output! }));
  const numbers = await Promise.all(
    outputs.map(async ({ id, place, output }) =>
      metricsOf(id, { ...output, figures: await lastFigures(output, place.directory) }),
    ),
  );
  return {
    metrics: Object.assign({}, ...numbers) as Record<string, number>,
    stageSeconds: Object.fromEntries(outputs.map(({ id, output }) => [id, output.seconds])),
    pages: outputs.flatMap(({ place, output: { summary } }) =>
      typeof summary.page === 'string' ? [join(place.directory, summary.page)] : [],
    ),
    ...(run !== undefined && { run }),
  };
}

/** Folder of the newest run that has every output of a trial, such as one that was killed right before its end. */
function runWith({ stages }: PlannedTrial, runs: readonly Run[]): string | undefined {
  return runs.findLast(({ record }) =>
    stages.every(({ stage: { id }, fingerprint }) => record.stages[id]?.fingerprint === fingerprint),
  )?.directory;
}

/** Ids of the stages that are the same in all trials. */
export function sharedStages(planned: readonly PlannedTrial[]): ReadonlySet<string> {
  const [first, ...others] = planned.map(
    ({ stages }) => new Map(stages.map(({ stage, recipe }) => [stage.id, recipe])),
  );
  const ids = [...(first ?? [])].filter(([id, recipe]) => others.every((other) => other.get(id) === recipe));
  return new Set(ids.map(([id]) => id));
}
