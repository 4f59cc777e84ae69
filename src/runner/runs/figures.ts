import { join } from 'node:path';
import { metricsName, readMetrics } from '../../formats/metrics-log.js';
import type { StageRecord } from '../run/run-record.js';
import type { Headline, Json, StageKind } from '../stage.js';
import type { Manifest } from '../store/manifest.js';

/** A number that a stage of a run came to. */
export interface RunFigure {
  readonly stage: string;
  readonly name: string;
  readonly value: number;
  /** Present where its stage is compared with others by it. */
  readonly better?: Headline['better'];
}

/** The number by which an output of a kind is compared with others: the first of the kind's headlines that it has. */
export function headlineOf(
  { headlines = [] }: Pick<StageKind<never>, 'headlines'>,
  record: Pick<StageRecord, 'summary' | 'figures'>,
): Headline | undefined {
  const names = new Set(figuresOfStage('', record).map(({ name }) => name));
  return headlines.find(({ name }) => names.has(name));
}

/** Numbers that say what it took: interesting where nothing says how well a stage did. */
const costs = new Set(['expectedMemoryMegabytes', 'peakMemoryMegabytes', 'idlePercent']);

/** Every number in a summary; those within maps by dotted names. */
function numbersIn(summary: Readonly<Record<string, Json>>): readonly (readonly [string, number])[] {
  return Object.entries(summary).flatMap(([name, value]): (readonly [string, number])[] => {
    if (typeof value === 'number') return [[name, value]];
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return [];
    return numbersIn(value as Readonly<Record<string, Json>>).map(([inner, number]) => [
      `${name}.${inner}`,
      number,
    ]);
  });
}

/**
 * Last figures of the progress of an output's making: of one that was made before manifests had them, those that it
 * logged last.
 */
export async function lastFigures(
  { figures }: Manifest,
  directory: string,
): Promise<Readonly<Record<string, number>>> {
  if (figures !== undefined) return figures;
  const last: Readonly<Record<string, unknown>> =
    (await readMetrics(join(directory, metricsName))).at(-1) ?? {};
  const numbers = Object.entries(last as Readonly<Record<string, number>>);
  return Object.fromEntries(numbers.filter(([name]) => name !== 'step'));
}

/**
 * Figures of a stage: its summary's numbers, and the last figures of its progress, such as the loss. The one by which
 * it is compared with others comes first.
 */
export function figuresOfStage(
  stage: string,
  {
    summary = {},
    figures,
    progress,
    headline,
  }: Pick<StageRecord, 'summary' | 'figures' | 'progress' | 'headline'>,
): readonly RunFigure[] {
  const last = figures ?? progress?.figures ?? {};
  const numbers = new Map([...Object.entries(last), ...numbersIn(summary)]);
  return Array.from(numbers, ([name, value]): RunFigure =>
    name === headline?.name ? { stage, name, value, better: headline.better } : { stage, name, value },
  ).sort((a, b) => Number(b.better !== undefined) - Number(a.better !== undefined));
}

/** The figures of a run by which it is judged, those of its last stages first, and behind them what it took. */
export function tellingFigures(stages: Readonly<Record<string, StageRecord>>): readonly RunFigure[] {
  return Object.entries(stages)
    .reverse()
    .flatMap(([id, record]) =>
      figuresOfStage(id, record).filter(({ name }) => record.amounts?.includes(name) !== true),
    )
    .sort((a, b) => rankOf(a) - rankOf(b));
}

/** Order of figures: headlines come first, what it took comes last. */
export const rankOf = ({ name, better }: Pick<RunFigure, 'name' | 'better'>): number =>
  better === undefined ? (costs.has(name) ? 2 : 1) : 0;

/** True for the best of values that are compared by a headline; false where all are the same. */
export function isBest(
  value: number | undefined,
  better: Headline['better'] | undefined,
  values: readonly (number | undefined)[],
): boolean {
  const all = values.filter((each) => each !== undefined && Number.isFinite(each)) as number[];
  if (better === undefined || value === undefined || new Set(all).size < 2) return false;
  return value === (better === 'less' ? Math.min(...all) : Math.max(...all));
}
