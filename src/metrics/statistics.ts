import { engineKind, type RuntimeOptions } from '../tensorflow/index.js';
import { blockEdges, inFloat64, type PortionSums, portionSums } from './float64.js';
import type { Rows, SquareMatrix } from './linear-algebra.js';
import type { StoredRows } from './manifold.js';

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
    const { width } = this;
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
    this.combine(rows.count, own);
  }

  /** Adds rows that were summed elsewhere. */
  addSums({ count, mean, products }: PortionSums): void {
    const { width, scatter } = this;
    const edges = blockEdges(width);
    for (const [block, sums] of products.entries()) {
      const [first, end] = [edges[block]!, edges[block + 1]!];
      for (let i = first; i < end; i++)
        for (let j = 0, at = (i - first) * end, to = i * width; j <= i; j++)
          scatter[to + j]! += sums[at + j]!;
    }
    this.combine(count, mean);
  }

  /** Takes the mean of rows whose deviations from it have been added into that of all. */
  private combine(count: number, own: Float64Array): void {
    const { width, mean } = this;
    const total = this.count + count;
    const share = Math.sqrt((this.count * count) / total);
    const deviation = mean.map((value, i) => own[i]! - value);
    const none = new Float64Array(width);
    if (share > 0) this.addProducts([deviation.map((value) => value * share), none, none, none]);
    for (let i = 0; i < width; i++) mean[i]! += (deviation[i]! * count) / total;
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

/** Rows of a portion: 32 MB of 2,048 features, twice that in double precision. */
const rowsAtOnce = 4096;
/** Rows of a portion that JavaScript sums before other work gets a turn. */
const rowsInTurn = 256;

/**
 * Statistics of features that are read in portions: in TensorFlow's float64 kernels on the CPU, off the event loop; in
 * JavaScript where WebAssembly computes.
 *
 * @throws the signal's reason
 */
export async function computeStatistics(
  { count, width, read }: StoredRows,
  runtime: RuntimeOptions = {},
  signal?: AbortSignal,
): Promise<FeatureStatistics> {
  const accumulator = new StatisticsAccumulator(width);
  const isNative = engineKind() === 'native';
  const size = isNative ? rowsAtOnce : rowsInTurn;
  const addAll = async (add: (rows: Float32Array) => Promise<void> | void): Promise<FeatureStatistics> => {
    for (let first = 0; first < count; first += size) {
      signal?.throwIfAborted();
      await add(await read(first, Math.min(size, count - first)));
    }
    return accumulator.result();
  };
  if (!isNative)
    return addAll((data) => {
      accumulator.add({ count: data.length / width, width, data });
    });
  return inFloat64(runtime, signal, (session) => {
    const sums = portionSums(session, width);
    return addAll(async (rows) => {
      accumulator.addSums(await sums(rows));
    });
  });
}

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
