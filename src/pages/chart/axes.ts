import { formatTick } from '../../base/format.js';
import { html, type Part } from '../html.js';
import { smoothed } from './smooth.js';

/** Units of a drawing's own coordinates along each side; the page stretches it to the room there is. */
export const side = 1000;

/** Labels of the vertical axis. Text stands beside the drawing, for a stretched drawing would stretch it too. */
export function valueLabels(scale: Scale): Part {
  const texts = tickTexts(scale.ticks);
  return scale.ticks.map(
    (tick, i) =>
      html`<span class="tick y ${scale.kind}" style="--at:${percent(scale.place(tick))}" aria-hidden="true"
        >${texts[i]}</span
      >`,
  );
}

/** Labels of the horizontal axis, of several kinds of which a page shows one. */
export function acrossLabels(kind: string, scale: Scale): Part {
  const texts = tickTexts(scale.ticks);
  return scale.ticks.map((tick, i) => {
    const place = scale.place(tick);
    const edge = place > 0.96 ? ' last' : place < 0.04 ? ' first' : '';
    return html`<span class="tick x by-${kind}${edge}" style="--at:${percent(place)}" aria-hidden="true"
      >${texts[i]}</span
    >`;
  });
}

/** Labels of ticks, with as many digits as it takes for no two to be the same. */
export function tickTexts(ticks: readonly number[]): readonly string[] {
  const texts = (digits: number): readonly string[] => ticks.map((tick) => formatTick(tick, digits));
  for (let digits = 6; digits < 15; digits++)
    if (new Set(texts(digits)).size === ticks.length) return texts(digits);
  return texts(15);
}

/** Horizontal lines at the ticks. */
export function rules(scale: Scale): Part {
  return scale.ticks.map(
    (tick) => html`<path class="rule" d="M0 ${round((1 - scale.place(tick)) * side)}H${side}" />`,
  );
}

/** A curve through points, as the `d` of a path. */
export function curvePath(steps: readonly number[], values: readonly number[], x: Scale, y: Scale): string {
  const points = steps.map(
    (step, i) => `${round(x.place(step) * side)} ${round((1 - y.place(values[i]!)) * side)}`,
  );
  return `M${points.join('L')}${points.length === 1 ? 'h0' : ''}`;
}

function percent(place: number): string {
  return `${round(place * 100)}%`;
}

export function round(value: number): number {
  return Math.round(value * 10) / 10 + 0;
}

/** A mapping of values to places along an axis, from 0 at its start to 1 at its end. */
export interface Scale {
  readonly kind: 'linear' | 'log';
  readonly domain: readonly [low: number, high: number];
  readonly ticks: readonly number[];
  readonly place: (value: number) => number;
}

/** A linear scale over `[low, high]`, both finite, with about `count` ticks at round values. */
export function linearScale(low: number, high: number, count: number): Scale {
  if (low === high) {
    const margin = Math.abs(low) * 0.1 || 1;
    return linearScale(low - margin, high + margin, count);
  }
  const step = roundStep((high - low) / count);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  const ticks = Array.from({ length: last - first + 1 }, (_, i) => clean((first + i) * step));
  return { kind: 'linear', domain: [low, high], ticks, place: (value) => (value - low) / (high - low) };
}

/** A linear scale with a little room above and below, though not below 0 where no value is. */
export function roomyScale(low: number, high: number, count: number): Scale {
  const margin = (high - low) * 0.05;
  return linearScale(low >= 0 ? Math.max(0, low - margin) : low - margin, high + margin, count);
}

/** A logarithmic scale over `[low, high]`, both positive, widened a little. Ticks at 1, 2 and 5 times powers of ten, or sparser. */
export function logScale(low: number, high: number, count: number): Scale {
  const margin = Math.max((Math.log10(high) - Math.log10(low)) * 0.04, 0.02);
  const [start, end] = [Math.log10(low) - margin, Math.log10(high) + margin];
  const all = [[1, 2, 5], [1, 3], [1]].map((mantissas) => logTicks(start, end, mantissas));
  const decades = all[2]!;
  const ticks = all.find(({ length }) => length <= count) ?? thinned(decades, count);
  return {
    kind: 'log',
    domain: [10 ** start, 10 ** end],
    ticks: ticks.length > 0 ? ticks : [low],
    place: (value) => (Math.log10(value) - start) / (end - start),
  };
}

/** The smallest of 1, 2 and 5 times a power of ten that is at least `step`. */
function roundStep(step: number): number {
  const power = 10 ** Math.floor(Math.log10(step));
  return power * ([1, 2, 5].find((factor) => factor * power >= step * (1 - 1e-9)) ?? 10);
}

function logTicks(start: number, end: number, mantissas: readonly number[]): number[] {
  const ticks: number[] = [];
  for (let exponent = Math.floor(start); exponent <= end; exponent++) {
    for (const mantissa of mantissas) {
      const place = exponent + Math.log10(mantissa);
      if (place >= start && place <= end) ticks.push(clean(mantissa * 10 ** exponent));
    }
  }
  return ticks;
}

function thinned<T>(items: readonly T[], count: number): T[] {
  const every = Math.ceil(items.length / count);
  return items.filter((_, i) => i % every === 0);
}

/** Rounds off the last digits that binary fractions leave. */
function clean(value: number): number {
  return Number(value.toPrecision(12));
}

/** A figure over the steps of a training. */
export interface Series {
  readonly name: string;
  /** Ascending. */
  readonly steps: readonly number[];
  /** Finite. */
  readonly values: readonly number[];
  /** Means of even stretches, where `values` are only the ends and extremes of these: what is smoothed. */
  readonly means?: { readonly steps: readonly number[]; readonly values: readonly number[] };
}

/** Every figure that a log holds, in the order of their first occurrence. Values that are not finite are left out. */
export function seriesOf(records: readonly Readonly<Record<string, unknown>>[]): Series[] {
  const names = new Set(records.flatMap((record) => Object.keys(record)));
  names.delete('step');
  return [...names].flatMap((name) => {
    const points = records.flatMap((record): [number, number][] => {
      const { step, [name]: value } = record;
      return Number.isFinite(step) && Number.isFinite(value) ? [[step as number, value as number]] : [];
    });
    if (points.length === 0) return [];
    const values = points.map(([, value]) => value);
    return [{ name, steps: points.map(([step]) => step), values }];
  });
}

/** Weight that smoothing has at first, per thousandth of the steps: it then looks back over two hundredths of them. */
export const firstSmoothing = 0.95;

/** The course of a series without its noise, as the page's script draws it. @param range of the steps of all curves */
export function courseOf({ steps, values, means }: Series, range: number, weight: number): Course {
  const drawn = means ?? { steps, values };
  return { steps: drawn.steps, values: smoothed(drawn.steps, drawn.values, weight, range) };
}

export interface Course {
  readonly steps: readonly number[];
  readonly values: readonly number[];
}

/**
 * Thins a series to about `most` points with its extremes: of each stretch its first, lowest, highest and last point
 * are kept, and beside them its mean.
 */
export function thin(series: Series, most = 800): Series {
  const { steps, values } = series;
  if (steps.length <= most) return series;
  const stretches = Math.floor(most / 4);
  const kept = new Set<number>();
  const means: { steps: number[]; values: number[] } = { steps: [], values: [] };
  for (let stretch = 0; stretch < stretches; stretch++) {
    const start = Math.floor((stretch * steps.length) / stretches);
    const end = Math.floor(((stretch + 1) * steps.length) / stretches);
    let [lowest, highest] = [start, start];
    let [stepSum, valueSum] = [0, 0];
    for (let i = start; i < end; i++) {
      stepSum += steps[i]!;
      valueSum += values[i]!;
      if (values[i]! < values[lowest]!) lowest = i;
      if (values[i]! > values[highest]!) highest = i;
    }
    for (const i of [start, lowest, highest, end - 1]) kept.add(i);
    means.steps.push(stepSum / (end - start));
    means.values.push(valueSum / (end - start));
  }
  const order = [...kept].sort((a, b) => a - b);
  const pick = (all: readonly number[]) => order.map((i) => all[i]!);
  return { name: series.name, steps: pick(steps), values: pick(values), means };
}
