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

/** Without the last digits that binary fractions leave. */
function clean(value: number): number {
  return Number(value.toPrecision(12));
}
