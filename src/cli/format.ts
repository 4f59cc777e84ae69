import type { Json } from '../pipeline/stage.js';

/** A time for people: `0.4 s`, `12 s`, `2 min 04 s`, `1 h 03 min`. */
export function formatDuration(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  const minutes = Math.round(whole / 60);
  return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
}

const two = (value: number): string => String(value).padStart(2, '0');

const grouped = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** A whole number with its thousands apart: `3,802`. */
export function formatCount(value: number): string {
  return grouped.format(value);
}

/** A measured value with four significant digits: `0.1834`, `12.50`, `1.200e-5`. */
export function formatFigure(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e15) return formatCount(value);
  const size = Math.abs(value);
  if (size >= 1e-4 && size < 1e4) return value.toPrecision(4);
  return size >= 1e4 && size < 1e15 ? formatCount(value) : value.toExponential(3);
}

/** How fast something is done: `12.3 steps/s`, and `7.2 steps/min` where it is slower than one a second. */
export function formatRate(perSecond: number, unit: string): string {
  const [rate, time] = perSecond < 1 ? [perSecond * 60, 'min'] : [perSecond, 's'];
  const digits = rate < 9.995 ? 2 : rate < 99.95 ? 1 : 0;
  return `${digits === 0 ? formatCount(rate) : rate.toFixed(digits)} ${unit}/${time}`;
}

/** A name in camelCase as words: `learningRate` is `learning rate`. */
export function asWords(name: string): string {
  return name.replace(
    /([a-z\d])([A-Z])/g,
    (_, before: string, after: string) => `${before} ${after.toLowerCase()}`,
  );
}

/** The plain numbers of a stage's summary, in a few words: `images 3,802`, `classes 9`. */
export function summaryFacts(summary: Readonly<Record<string, Json>>): readonly string[] {
  return Object.entries(summary).flatMap(([name, value]) =>
    typeof value === 'number' ? [`${asWords(name)} ${formatFigure(value)}`] : [],
  );
}

/** `1 stage`, `2 stages`. */
export const counted = (count: number, noun: string): string =>
  `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`;
