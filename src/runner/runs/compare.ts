import { dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { tellDamaged } from '../../base/sealed.js';
import { metricsName, readMetrics } from '../../formats/metrics-log.js';
import type { StageRecord } from '../run/run-record.js';
import type { Headline, Json } from '../stage.js';
import { readManifest } from '../store/manifest.js';
import { type ConfiguredValue, readConfiguration, type ValueOrigin } from './configuration.js';
import { figuresOfStage, rankOf, type RunFigure } from './figures.js';
import type { Run } from './run.js';

/** Differences between runs, a value for each run in their order. */
export interface Comparison {
  readonly runs: readonly Run[];
  /** Keys of which not all runs have the same value. */
  readonly configuration: readonly ConfigurationDifference[];
  /** Every figure that any of the runs came to, those of the last stages first. */
  readonly figures: readonly ComparedFigure[];
}

export interface ConfigurationDifference {
  readonly key: string;
  /** `undefined` where a run has no such key. */
  readonly values: readonly (Json | undefined)[];
  /** Place at which each value was written; `undefined` for a default. */
  readonly origins: readonly (ValueOrigin | undefined)[];
}

export interface ComparedFigure {
  readonly stage: string;
  readonly name: string;
  readonly values: readonly (number | undefined)[];
  /** True where the stage is judged by it. */
  readonly isHeadline: boolean;
  /** Present where runs compare by it. */
  readonly better?: Headline['better'];
}

export async function compareRuns(runs: readonly Run[]): Promise<Comparison> {
  const configured = await Promise.all(runs.map(configuredOf));
  const figures = await comparedFigures(runs, configured);
  return { runs, configuration: differences(configured), figures };
}

/** Values of a run by their dotted keys. */
type Configured = ReadonlyMap<string, ConfiguredValue>;

const configuredOf = async (run: Run): Promise<Configured> =>
  new Map((await readConfiguration(run)).map((entry) => [entry.key, entry]));

/** True where a stage's headline measures the same in all runs: where they agree in the keys within which it compares. */
function measuresTheSame(runs: readonly Run[], configured: readonly Configured[], stage: string): boolean {
  const within = new Set(runs.flatMap(({ record }) => record.stages[stage]?.headline?.within ?? []));
  const measuring = runs.flatMap((run, i) =>
    run.record.stages[stage] ? [{ run, values: configured[i]! }] : [],
  );
  return [...within].every((key) => {
    const [first, ...others] = measuring.map(({ run, values }) =>
      meaningOf(`stages.${stage}.${key}`, values, run),
    );
    return others.every((other) => isDeepStrictEqual(other, first));
  });
}

/** Meaning of a figure of a run, as a text that runs have in common whose figures compare. */
export async function measureOf(
  run: Run,
  { stage, name }: Pick<RunFigure, 'stage' | 'name'>,
): Promise<string> {
  const { within = [] } = run.record.stages[stage]?.headline ?? {};
  const values = within.length === 0 ? new Map<string, never>() : await configuredOf(run);
  return JSON.stringify([name, ...within.map((key) => meaningOf(`stages.${stage}.${key}`, values, run))]);
}

/** Meaning of a key in a run: what the stage made that it names, or its values. */
function meaningOf(key: string, values: Configured, { record }: Run): unknown {
  const named = values.get(key)?.value;
  const made = typeof named === 'string' ? record.stages[named]?.fingerprint : undefined;
  return (
    made ??
    [...values.values()].flatMap((entry) =>
      entry.key === key || entry.key.startsWith(`${key}.`) ? [[entry.key, entry.value]] : [],
    )
  );
}

function differences(configured: readonly Configured[]): readonly ConfigurationDifference[] {
  const keys = inOrder(configured.map((values) => [...values.keys()]));
  return keys.flatMap((key) => {
    const entries = configured.map((values) => values.get(key));
    const [first, ...rest] = entries;
    if (rest.every((entry) => isDeepStrictEqual(entry?.value, first?.value))) return [];
    return [
      { key, values: entries.map((entry) => entry?.value), origins: entries.map((entry) => entry?.origin) },
    ];
  });
}

async function comparedFigures(
  runs: readonly Run[],
  configured: readonly Configured[],
): Promise<readonly ComparedFigure[]> {
  const tables = await Promise.all(
    runs.map(async (run) => {
      const figures = await Promise.all(
        Object.keys(run.record.stages)
          .reverse()
          .map((stage) => figuresOf(run, stage)),
      );
      return new Map(figures.flat().map((figure) => [`${figure.stage} ${figure.name}`, figure]));
    }),
  );
  return inOrder(tables.map((table) => [...table.keys()]))
    .map((key): ComparedFigure => {
      const found = tables.map((table) => table.get(key));
      const { stage, name, better } = found.find((figure) => figure !== undefined)!;
      const compares = better !== undefined && measuresTheSame(runs, configured, stage);
      const values = found.map((figure) => figure?.value);
      return { stage, name, values, isHeadline: better !== undefined, ...(compares && { better }) };
    })
    .sort((a, b) => rank(a) - rank(b));
}

/** Order of figures, in which headlines come first whether or not runs compare by them. */
const rank = ({ name, isHeadline }: ComparedFigure): number => (isHeadline ? 0 : rankOf({ name }));

/** Figures of a stage, including what it logged last: a cached stage has told no progress in this run. */
async function figuresOf({ directory, record }: Run, stage: string): Promise<readonly RunFigure[]> {
  const own = record.stages[stage]!;
  const path = own.output === undefined ? undefined : join(directory, own.output, metricsName);
  const last: Readonly<Record<string, number>> =
    (path === undefined ? undefined : (await readMetrics(path, await sha256Of(dirname(path), own))).at(-1)) ??
    {};
  const logged = Object.entries(last).flatMap(([name, value]) =>
    name === 'step' ? [] : [{ stage, name, value }],
  );
  const told = new Map(figuresOfStage(stage, own).map((figure) => [figure.name, figure]));
  const names = new Set([...logged.map(({ name }) => name), ...told.keys()]);
  return [...names].map((name) => told.get(name) ?? logged.find((figure) => figure.name === name)!);
}

/** SHA-256 that the log of a stage's output was finished with; undefined where its manifest is damaged, which is told of. */
async function sha256Of(output: string, { fingerprint = '' }: StageRecord): Promise<string | undefined> {
  const manifest = await readManifest(output, fingerprint).catch((error: unknown) => {
    tellDamaged(output, error, 'the next run makes it again');
    return undefined;
  });
  return manifest?.files.find(({ path }) => path === metricsName)?.sha256;
}

/** Merges lists of keys, all of them once: each list's own keys next to those that they follow there. */
function inOrder(lists: readonly (readonly string[])[]): readonly string[] {
  const order: string[] = [];
  for (const list of lists) {
    let place = 0;
    for (const key of list) {
      const known = order.indexOf(key);
      if (known < 0) order.splice(place++, 0, key);
      else place = known + 1;
    }
  }
  return order;
}
