import { asWords, formatCount } from '../base/text.js';
import type { Json } from '../runner/stage.js';

export { asWords, counted, formatCount, formatDuration } from '../base/text.js';

/** A measured value with four significant digits: `0.1834`, `12.50`, `1.200e-5`. */
export function formatFigure(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e15) return formatCount(value);
  const size = Math.abs(value);
  if (size >= 1e-4 && size < 1e4) return value.toPrecision(4);
  return size >= 1e4 && size < 1e15 ? formatCount(value) : value.toExponential(3);
}

/** Formats a rate: `12.3 steps/s`, and `7.2 steps/min` where it is slower than one a second. */
export function formatRate(perSecond: number, unit: string): string {
  const [rate, time] = perSecond < 1 ? [perSecond * 60, 'min'] : [perSecond, 's'];
  const digits = rate < 9.995 ? 2 : rate < 99.95 ? 1 : 0;
  return `${digits === 0 ? formatCount(rate) : rate.toFixed(digits)} ${unit}/${time}`;
}

/** The plain numbers of a stage's summary, in a few words: `images 3,802`, `classes 9`. */
export function summaryFacts(summary: Readonly<Record<string, Json>>): readonly string[] {
  return Object.entries(summary).flatMap(([name, value]) =>
    typeof value === 'number' ? [`${asWords(name)} ${formatFigure(value)}`] : [],
  );
}
