import { shuffledOrder } from '../data/sample-order.js';
import { engineKind, int32, type RuntimeOptions } from '../tensorflow/index.js';
import { asFloat64, asPairs, inFloat64 } from './float64.js';
import { trace } from './frechet-distance.js';
import { type SquareMatrix, symmetricEigenvalues } from './linear-algebra.js';
import type { StoredRows } from './manifold.js';
import type { FeatureStatistics } from './statistics.js';

/** Random halves of the samples by which the error is estimated. */
const halves = 16;

/**
 * Standard error that the choice of the samples gives a Fréchet distance, the reference being what it is: the deviation
 * of the distance over random halves (the jackknife that deletes half). The bias of few samples is no part of it.
 *
 * A half of h rows has a covariance of rank h at most: the eigenvalues that the distance needs are those of the h × h
 * products of its rows by the reference's covariance, of which those of all rows are computed once.
 *
 * @returns nothing for fewer than four rows, and for more than twice as many as features: the error is small there
 * Source: Shao and Wu, "A general theory for jackknife variance estimation" (1989).
 * @throws the signal's reason
 */
export async function frechetDistanceError(
  { count, width, read }: StoredRows,
  reference: FeatureStatistics,
  runtime: RuntimeOptions = {},
  signal?: AbortSignal,
): Promise<number | undefined> {
  if (count < 4 || count > 2 * width) return undefined;
  const rows = centred(Float64Array.from(await read(0, count)), reference.mean);
  const order = shuffledOrder(0, count);
  const chosen = Array.from({ length: halves }, (_, half) =>
    Array.from({ length: Math.floor(count / 2) }, (_, i) => order.at(half * count + i).index),
  );
  const { covariance } = reference;
  const roots =
    engineKind() === 'native'
      ? await inFloat64(runtime, signal, async (session) => {
          const { graph } = session;
          const matrix = (size: number, columns: number) => {
            const input = graph.placeholder('int32', [size, columns, 2]);
            return { input, value: graph.node('Bitcast', [input], { type: { type: 'float64' } }) };
          };
          const [x, c] = [matrix(count, width), matrix(width, width)];
          const weighed = graph.node('MatMul', [x.value, c.value]);
          const products = graph.node('MatMul', [weighed, x.value], { transpose_b: { bool: true } });
          const feeds = [
            [x.input, pairsOf(rows, count, width)],
            [c.input, pairsOf(covariance.data, width, width)],
          ] as const;
          const [all] = await session.run(feeds, [asPairs(graph, products)]);
          const size = chosen[0]!.length;
          const half = matrix(size, size);
          const eigenvalues = graph.node('SelfAdjointEigV2', [half.value], { compute_v: { bool: false } });
          const found: Float64Array[] = [];
          for (const own of chosen) {
            const kernel = kernelOf(asFloat64(all!), count, own);
            const [values] = await session.run(
              [[half.input, pairsOf(kernel.data, size, size)]],
              [asPairs(graph, eigenvalues)],
            );
            found.push(asFloat64(values!));
          }
          return found;
        })
      : chosen.map((own) => symmetricEigenvalues(kernelOf(productsOf(rows, width, covariance), count, own)));
  const fixed = trace(covariance);
  const distances = chosen.map((own, i) => {
    const { mean, spread } = momentsOf(rows, width, own);
    const between = mean.reduce((sum, value) => sum + value ** 2, 0);
    const root = roots[i]!.reduce((sum, value) => sum + Math.sqrt(Math.max(value, 0)), 0);
    return between + spread + fixed - 2 * root;
  });
  const mean = distances.reduce((sum, value) => sum + value / halves, 0);
  return Math.sqrt(distances.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (halves - 1));
}

/** Rows less a mean. */
function centred(rows: Float64Array, mean: Float64Array): Float64Array {
  return rows.map((value, i) => value - mean[i % mean.length]!);
}

/** Products of rows with each other by a matrix: [rows, rows], row after row. */
function productsOf(rows: Float64Array, width: number, { data }: SquareMatrix): Float64Array {
  const count = rows.length / width;
  const products = new Float64Array(count * count);
  const weighed = new Float64Array(width);
  for (let i = 0; i < count; i++) {
    weighed.fill(0);
    for (let k = 0; k < width; k++) {
      const value = rows[i * width + k]!;
      for (let j = 0; j < width; j++) weighed[j]! += value * data[k * width + j]!;
    }
    for (let j = 0; j < count; j++) {
      let sum = 0;
      for (let k = 0; k < width; k++) sum += weighed[k]! * rows[j * width + k]!;
      products[i * count + j] = sum;
    }
  }
  return products;
}

/** The products of some rows' deviations from their own mean, over the degrees of freedom. */
function kernelOf(products: Float64Array, count: number, own: readonly number[]): SquareMatrix {
  const size = own.length;
  const data = new Float64Array(size * size);
  const means = new Float64Array(size);
  for (const [i, row] of own.entries())
    for (const [j, column] of own.entries()) {
      data[i * size + j] = products[row * count + column]!;
      means[i]! += data[i * size + j]! / size;
    }
  const mean = means.reduce((sum, value) => sum + value / size, 0);
  for (let i = 0; i < size; i++)
    for (let j = 0; j < size; j++)
      data[i * size + j] = (data[i * size + j]! - means[i]! - means[j]! + mean) / (size - 1);
  return { size, data };
}

/** Mean of some rows, and the trace of their covariance. */
function momentsOf(rows: Float64Array, width: number, own: readonly number[]) {
  const mean = new Float64Array(width);
  for (const row of own) for (let k = 0; k < width; k++) mean[k]! += rows[row * width + k]! / own.length;
  let squares = 0;
  for (const row of own) for (let k = 0; k < width; k++) squares += (rows[row * width + k]! - mean[k]!) ** 2;
  return { mean, spread: squares / (own.length - 1) };
}

const pairsOf = (data: Float64Array, rows: number, columns: number) =>
  int32([rows, columns, 2], new Int32Array(data.buffer, data.byteOffset, 2 * data.length));
