import { join } from 'node:path';
import { metricsName, readMetrics } from '../../formats/metrics-log.js';
import type { StageRecord } from '../run/run-file.js';
import type { Json } from '../stage.js';
import type { Manifest } from '../store/manifest.js';

/** A number that a stage of a run came to. */
export interface RunFigure {
  readonly stage: string;
  readonly name: string;
  readonly value: number;
}

/** Numbers that say what a stage was asked for or how much it did, not how well. */
const amounts = new Set([
  'images',
  'classes',
  'skipped',
  'size',
  'latents',
  'latentChannels',
  'downsample',
  'parameters',
  'samples',
  'steps',
  'guidanceScale',
  'count',
  'referenceImages',
]);

/** Numbers that say what it took: interesting where nothing says how well a stage did. */
const costs = new Set(['expectedMemoryMegabytes', 'peakMemoryMegabytes', 'idlePercent']);

/** True when a number says how well a stage did, rather than what it was asked for or how much it did. */
export const isTelling = (name: string): boolean => !amounts.has(name);

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

/** Figures of a stage: its summary's numbers, and the last figures of its progress, such as the loss. */
export function figuresOfStage(
  stage: string,
  { summary = {}, figures, progress }: Pick<StageRecord, 'summary' | 'figures' | 'progress'>,
): readonly RunFigure[] {
  const last = figures ?? progress?.figures ?? {};
  const numbers = new Map([...Object.entries(last), ...numbersIn(summary)]);
  return Array.from(numbers, ([name, value]) => ({ stage, name, value }));
}

/** The figures of a run by which it is judged, those of its last stages first, and behind them what it took. */
export function tellingFigures(stages: Readonly<Record<string, StageRecord>>): readonly RunFigure[] {
  return Object.entries(stages)
    .reverse()
    .flatMap(([id, record]) => figuresOfStage(id, record).filter(({ name }) => isTelling(name)))
    .sort((a, b) => Number(costs.has(a.name)) - Number(costs.has(b.name)));
}
