import { argumentError } from '../base/errors.js';
import { DataTypeCode, engineKind, int32 } from '../tensorflow/index.js';
import type { Session, HostTensor, Output, RuntimeOptions } from '../tensorflow/index.js';
import { asFloat64, asPairs, inFloat64 } from './float64.js';
import { congruence, semidefiniteFactor, type SquareMatrix, symmetricEigenvalues } from './linear-algebra.js';
import type { FeatureStatistics } from './statistics.js';

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
  const root = (session: Session) => traceOfRoot(session, a, b);
  return distance(a, b, await inFloat64(runtime, signal, root));
}

/** tr((Σ₁Σ₂)^½), by the eigenvalues of FΣ₂Fᵀ. */
async function traceOfRoot(
  session: Session,
  ...both: [FeatureStatistics, FeatureStatistics]
): Promise<number> {
  const { graph } = session;
  const float64 = (value: number) => graph.constantBytes(DataTypeCode.float64, [], Float64Array.of(value));
  const inputs = both.map(({ covariance: { size } }) => graph.placeholder('int32', [size, size, 2]));
  const matrices = inputs.map((input) => graph.node('Bitcast', [input], { type: { type: 'float64' } }));
  const feeds = both.map(({ covariance }, i) => [inputs[i]!, asInt32(covariance)] as const);
  const run = async (scalar: Output): Promise<number> => {
    const [pair] = await session.run(feeds, [asPairs(graph, scalar)]);
    return asFloat64(pair!)[0]!;
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
  if (size !== other) throw argumentError(`Features of ${size} and of ${other} numbers cannot be compared.`);
}

function distance(a: FeatureStatistics, b: FeatureStatistics, traceOfRoot: number): number {
  const between = a.mean.reduce((sum, value, i) => sum + (value - b.mean[i]!) ** 2, 0);
  return between + trace(a.covariance) + trace(b.covariance) - 2 * traceOfRoot;
}

export function trace({ size, data }: SquareMatrix): number {
  let sum = 0;
  for (let i = 0; i < size; i++) sum += data[i * size + i]!;
  return sum;
}
