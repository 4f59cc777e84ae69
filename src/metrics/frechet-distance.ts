import {
  DataTypeCode,
  engineKind,
  type HostTensor,
  int32,
  type Output,
  type RuntimeOptions,
  Session,
} from '../tensorflow/index.js';
import {
  congruence,
  type Rows,
  semidefiniteFactor,
  type SquareMatrix,
  symmetricEigenvalues,
} from './linear-algebra.js';

/**
 * The squared Fréchet distance of two Gaussian distributions: |μ₁ - μ₂|² + tr(Σ₁ + Σ₂ - 2(Σ₁Σ₂)^½). On the features of
 * the Inception network it is called FID.
 *
 * With Σ₁ = FᵀF, the non-zero eigenvalues of Σ₁Σ₂ are those of the symmetric FΣ₂Fᵀ: no root of a matrix is taken, and
 * covariances of fewer samples than features need no correction.
 *
 * Computed in JavaScript, on the event loop: 2,048 features take minutes. See {@link computeFrechetDistance}.
 *
 * Source: Dowson and Landau (1982); Heusel et al., "GANs trained by a two time-scale update rule" (2017).
 */
export function frechetDistance(a: FeatureStatistics, b: FeatureStatistics): number {
  mustCompare(a, b);
  const eigenvalues = symmetricEigenvalues(congruence(semidefiniteFactor(a.covariance), b.covariance));
  return distance(
    a,
    b,
    eigenvalues.reduce((sum, value) => sum + Math.sqrt(Math.max(value, 0)), 0),
  );
}

/**
 * {@link frechetDistance} in TensorFlow's float64 kernels on the CPU, off the event loop; in JavaScript where WebAssembly
 * computes.
 *
 * @param signal ends the wait at once; a kernel under way goes on to its end, some seconds for 2,048 features
 * @throws the signal's reason
 */
export async function computeFrechetDistance(
  a: FeatureStatistics,
  b: FeatureStatistics,
  runtime: RuntimeOptions = {},
  signal?: AbortSignal,
): Promise<number> {
  signal?.throwIfAborted();
  if (engineKind() !== 'native') return frechetDistance(a, b);
  mustCompare(a, b);
  const session = new Session({ ...runtime, device: 'cpu', precision: 'float32' });
  let abort: (() => void) | undefined;
  try {
    const aborted = new Promise<never>((_, reject) => {
      abort = () => {
        reject(signal!.reason as Error);
      };
      signal?.addEventListener('abort', abort);
    });
    return distance(a, b, await Promise.race([traceOfRoot(session, a, b), aborted]));
  } finally {
    if (abort !== undefined) signal?.removeEventListener('abort', abort);
    const closed = session.close();
    if (signal?.aborted !== true) await closed;
  }
}

/** tr((Σ₁Σ₂)^½), by the eigenvalues of FΣ₂Fᵀ. */
async function traceOfRoot(
  session: Session,
  ...both: [FeatureStatistics, FeatureStatistics]
): Promise<number> {
  const { graph } = session;
  const float64 = (value: number) => graph.constantBytes(DataTypeCode.float64, [], Float64Array.of(value));
  // Hosts hold no float64: it crosses as pairs of int32.
  const inputs = both.map(({ covariance: { size } }) => graph.placeholder('int32', [size, size, 2]));
  const matrices = inputs.map((input) => graph.node('Bitcast', [input], { type: { type: 'float64' } }));
  const feeds = both.map(({ covariance }, i) => [inputs[i]!, asInt32(covariance)] as const);
  const run = async (scalar: Output): Promise<number> => {
    const [pair] = await session.run(feeds, [graph.node('Bitcast', [scalar], { type: { type: 'int32' } })]);
    return new Float64Array(Int32Array.from(pair!.data).buffer)[0]!;
  };
  const reduced = (operation: string, values: Output, ...axes: number[]) =>
    graph.node(operation, [values, graph.constant(int32([axes.length], Int32Array.from(axes)))]);

  /** True when a covariance has full rank, beyond rounding: then Cholesky's factor serves, at a tenth of the time. */
  const isDefinite = async (i: 0 | 1): Promise<boolean> => {
    const { count, covariance } = both[i];
    if (count > 0 && count <= covariance.size) return false;
    const pivots = graph.node('MatrixDiagPart', [graph.node('Cholesky', [matrices[i]!])]);
    return (await run(reduced('Min', pivots, 0))) ** 2 > roundingOf(covariance);
  };
  const first = (await isDefinite(0)) ? 0 : (await isDefinite(1)) ? 1 : undefined;
  const [own, other] = first === 1 ? [1, 0] : [0, 1];
  let factor: Output;
  if (first === undefined) {
    const operation = graph.add('SelfAdjointEigV2', [matrices[own]!], { compute_v: { bool: true } });
    const values = { operation, index: 0 };
    const isRounding = graph.node('LessEqual', [values, float64(roundingOf(both[own]!.covariance))]);
    const kept = graph.node('SelectV2', [isRounding, float64(0), values]);
    factor = graph.node('Mul', [{ operation, index: 1 }, graph.node('Sqrt', [kept])]);
  } else factor = graph.node('Cholesky', [matrices[own]!]);
  const product = graph.node('MatMul', [factor, matrices[other]!], { transpose_a: { bool: true } });
  const symmetric = graph.node('MatMul', [product, factor]);
  const eigenvalues = graph.node('SelfAdjointEigV2', [symmetric], { compute_v: { bool: false } });
  return run(reduced('Sum', graph.node('Sqrt', [graph.node('Maximum', [eigenvalues, float64(0)])]), 0));
}

const asInt32 = ({ size, data }: SquareMatrix): HostTensor =>
  int32([size, size, 2], new Int32Array(data.buffer, data.byteOffset, 2 * data.length));

/** Magnitude that rounding leaves of zero in a matrix's pivots and eigenvalues. */
function roundingOf({ size, data }: SquareMatrix): number {
  let largest = 0;
  for (let i = 0; i < size; i++) largest = Math.max(largest, data[i * size + i]!);
  return size * Number.EPSILON * largest;
}

function mustCompare(a: FeatureStatistics, b: FeatureStatistics): void {
  const [size, other] = [a.covariance.size, b.covariance.size];
  if (size !== other) throw new RangeError(`Features of ${size} and of ${other} numbers cannot be compared.`);
}

function distance(a: FeatureStatistics, b: FeatureStatistics, traceOfRoot: number): number {
  const between = a.mean.reduce((sum, value, i) => sum + (value - b.mean[i]!) ** 2, 0);
  return between + trace(a.covariance) + trace(b.covariance) - 2 * traceOfRoot;
}

function trace({ size, data }: SquareMatrix): number {
  let sum = 0;
  for (let i = 0; i < size; i++) sum += data[i * size + i]!;
  return sum;
}

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
