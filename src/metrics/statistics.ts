import type { Rows, SquareMatrix } from './matrix.js';

/** Mean `[width]` and sample covariance `[width, width]` of a set of features. */
export interface FeatureStatistics {
  readonly count: number;
  readonly mean: Float64Array;
  readonly covariance: SquareMatrix;
}

/**
 * Mean and covariance of features that come in portions, in double precision and in memory that does not grow with
 * their number. Each portion is centred on its own mean before its squares are summed, so that large means cost no
 * digits.
 *
 * Source: Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances" (1979).
 */
export class StatisticsAccumulator {
  private count = 0;
  private readonly mean: Float64Array;
  /** Lower half of the sum of the products of deviations from the mean. */
  private readonly scatter: Float64Array;

  constructor(readonly width: number) {
    this.mean = new Float64Array(width);
    this.scatter = new Float64Array(width * width);
  }

  add(rows: Rows): void {
    const { width, mean } = this;
    if (rows.width !== width) throw new RangeError(`Features have ${width} numbers, found ${rows.width}.`);
    if (rows.count === 0) return;
    const own = meanOf(rows);
    const row = () => new Float64Array(width);
    const group: Group = [row(), row(), row(), row()];
    for (let first = 0; first < rows.count; first += group.length) {
      for (const [k, deviation] of group.entries()) {
        const at = (first + k) * width;
        if (first + k >= rows.count) deviation.fill(0);
        else for (let i = 0; i < width; i++) deviation[i] = rows.data[at + i]! - own[i]!;
      }
      this.addProducts(group);
    }
    const deviation = new Float64Array(width);
    const total = this.count + rows.count;
    for (let i = 0; i < width; i++) deviation[i] = own[i]! - mean[i]!;
    const share = Math.sqrt((this.count * rows.count) / total);
    const [between, ...none] = group;
    for (let i = 0; i < width; i++) between[i] = deviation[i]! * share;
    for (const other of none) other.fill(0);
    this.addProducts(group);
    for (let i = 0; i < width; i++) mean[i]! += (deviation[i]! * rows.count) / total;
    this.count = total;
  }

  /** The statistics of what was added. Throws a RangeError for fewer than two rows. */
  result(): FeatureStatistics {
    const { width, count } = this;
    if (count < 2) throw new RangeError(`A covariance needs at least 2 rows, found ${count}.`);
    const data = new Float64Array(width * width);
    for (let i = 0; i < width; i++)
      for (let j = 0; j <= i; j++)
        data[i * width + j] = data[j * width + i] = this.scatter[i * width + j]! / (count - 1);
    return { count, mean: this.mean.slice(), covariance: { size: width, data } };
  }

  /** Adds the products of several rows at once: the sums, which are too many for a cache, are gone through once. */
  private addProducts([a, b, c, d]: Group): void {
    const { width, scatter } = this;
    for (let i = 0; i < width; i++) {
      const [ai, bi, ci, di] = [a[i]!, b[i]!, c[i]!, d[i]!];
      const start = i * width;
      for (let j = 0; j <= i; j++) scatter[start + j]! += ai * a[j]! + bi * b[j]! + ci * c[j]! + di * d[j]!;
    }
  }
}

/** Rows whose products are added together. */
type Group = readonly [Float64Array, Float64Array, Float64Array, Float64Array];

/** Statistics of features that are all in memory: two passes. */
export function statisticsOf(rows: Rows): FeatureStatistics {
  const accumulator = new StatisticsAccumulator(rows.width);
  accumulator.add(rows);
  return accumulator.result();
}

function meanOf({ count, width, data }: Rows): Float64Array {
  const mean = new Float64Array(width);
  for (let row = 0; row < count; row++) for (let i = 0; i < width; i++) mean[i]! += data[row * width + i]!;
  return mean.map((sum) => sum / count);
}
