/** A figure over the steps of a training. */
export interface Series {
  readonly name: string;
  /** Ascending. */
  readonly steps: readonly number[];
  /** Finite. */
  readonly values: readonly number[];
  /** `values` without their noise; the same where there are too few of them to tell. */
  readonly smoothed: readonly number[];
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
    return [{ name, steps: points.map(([step]) => step), values, smoothed: smooth(values) }];
  });
}

/**
 * Centred moving average over about a twentieth of the values. Towards both ends the window shrinks evenly on its two
 * sides, so that the curve is neither late nor bent there.
 */
export function smooth(values: readonly number[]): number[] {
  const widest = Math.floor(values.length / 40);
  if (widest === 0) return [...values];
  return values.map((_, i) => {
    const reach = Math.min(widest, i, values.length - 1 - i);
    let sum = 0;
    for (let j = i - reach; j <= i + reach; j++) sum += values[j]!;
    return sum / (2 * reach + 1);
  });
}

/**
 * At most about `most` points with the extremes of the full series: of each stretch its first, lowest, highest and last
 * point are kept.
 */
export function thin(series: Series, most = 800): Series {
  const { steps, values } = series;
  if (steps.length <= most) return series;
  const stretches = Math.floor(most / 4);
  const kept = new Set<number>();
  for (let stretch = 0; stretch < stretches; stretch++) {
    const start = Math.floor((stretch * steps.length) / stretches);
    const end = Math.floor(((stretch + 1) * steps.length) / stretches);
    let [lowest, highest] = [start, start];
    for (let i = start; i < end; i++) {
      if (values[i]! < values[lowest]!) lowest = i;
      if (values[i]! > values[highest]!) highest = i;
    }
    for (const i of [start, lowest, highest, end - 1]) kept.add(i);
  }
  const order = [...kept].sort((a, b) => a - b);
  const pick = (all: readonly number[]) => order.map((i) => all[i]!);
  return { name: series.name, steps: pick(steps), values: pick(values), smoothed: pick(series.smoothed) };
}
