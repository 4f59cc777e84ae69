import { argumentError } from '../base/errors.js';
import { shuffledOrder } from '../data/sample-order.js';
import { compile, float32, floats, tf } from '../tensorflow/index.js';
import type { Compiled, HostTensor, RuntimeOptions, Tensor2D } from '../tensorflow/index.js';
import type { StoredRows } from './manifold.js';

export interface KernelDistance {
  readonly distance: number;
  /** Standard error of it; absent where a part has fewer than four rows. */
  readonly error?: number;
}

/** Rows of the smaller set in a part, as papers have it. */
const rowsOfPart = 1000;
/** Most rows of either set in a part: the products of two such take 64 MB. */
const mostRowsOfPart = 4000;
/** Random halves of each part by which the error is estimated. */
const halves = 32;

type Products = Compiled<{ a: Tensor2D; b: Tensor2D }, { kernel: Tensor2D }>;

/**
 * Squared maximum mean discrepancy of two sets by the polynomial kernel (x·y/d + 1)³, unbiased. On the features of the
 * Inception network it is called KID.
 *
 * Both sets are cut into as many parts as keep the smaller one's at {@link rowsOfPart} rows, each of rows from all over
 * the set; the distance is the mean of the parts'. Its standard error is the deviation of the same estimate over random
 * halves of every part (the jackknife that deletes half), so that it also holds where there is one part. Products are
 * computed in float32, sums in float64.
 *
 * Source: Bińkowski et al., "Demystifying MMD GANs" (2018); Shao and Wu, "A general theory for jackknife variance
 * estimation" (1989).
 *
 * @throws UserError for fewer than two rows; the signal's reason
 */
export async function storedKernelDistance(
  samples: StoredRows,
  reference: StoredRows,
  runtime: RuntimeOptions = {},
  signal?: AbortSignal,
): Promise<KernelDistance> {
  const least = Math.min(samples.count, reference.count);
  if (least < 2) throw argumentError(`A kernel distance needs at least 2 rows, found ${least}.`);
  const parts = Math.ceil(least / rowsOfPart);
  const products: Products = compile(
    ({ a, b }) => ({
      kernel: cube(tf.matMul(a, b, false, true).div<Tensor2D>(samples.width).add<Tensor2D>(1)),
    }),
    { runtime },
  );
  try {
    const sums = new Float64Array(halves + 1);
    for (let part = 0; part < parts; part++) {
      signal?.throwIfAborted();
      const [a, b] = [await partOf(samples, part, parts), await partOf(reference, part, parts)];
      const kernel = async (x: HostTensor, y: HostTensor) =>
        floats((await products.call({ a: x, b: y })).kernel);
      const chosen = [halvesOf(a.shape[0]!, 2 * part), halvesOf(b.shape[0]!, 2 * part + 1)] as const;
      const [own, other] = chosen;
      for (const [i, value] of combined(
        pairs(await kernel(a, a), own, own, true),
        pairs(await kernel(b, b), other, other, true),
        pairs(await kernel(a, b), own, other, false),
      ).entries())
        sums[i]! += value / parts;
    }
    const [distance, ...ofHalves] = sums;
    const mean = ofHalves.reduce((sum, value) => sum + value / halves, 0);
    const variance = ofHalves.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (halves - 1);
    return { distance: distance!, ...(least >= 4 * parts && { error: Math.sqrt(variance) }) };
  } finally {
    await products.close();
  }
}

/** Rows of a part, from all over the set: every so many-th one. */
async function partOf({ count, width, read }: StoredRows, part: number, parts: number): Promise<HostTensor> {
  const rows = Math.min(Math.floor(count / parts), mostRowsOfPart);
  const data = new Float32Array(rows * width);
  if (rows === count) data.set(await read(0, rows));
  else
    for (let i = 0; i < rows; i++) {
      const row = Math.floor(((i * parts + part) * count) / (rows * parts));
      data.set(await read(row, 1), i * width);
    }
  return float32([rows, width], data);
}

/** Choices of rows, as zeros and ones `[row, choice]`: all of them first, then random halves. */
interface Choices {
  readonly rows: number;
  readonly chosen: Uint8Array;
}

function halvesOf(rows: number, seed: number): Choices {
  const width = halves + 1;
  const chosen = new Uint8Array(rows * width);
  const order = shuffledOrder(seed, rows);
  for (let row = 0; row < rows; row++) chosen[row * width] = 1;
  for (let half = 0; half < halves; half++)
    for (let i = 0; i < Math.floor(rows / 2); i++)
      chosen[order.at(half * rows + i).index * width + half + 1] = 1;
  return { rows, chosen };
}

/** Means of a kernel over the pairs of each choice; without a row's pair with itself where both sides are one set. */
function pairs(kernel: Float32Array, a: Choices, b: Choices, isOneSet: boolean): Float64Array {
  const width = halves + 1;
  const sums = new Float64Array(width);
  const ofRow = new Float64Array(width);
  for (let i = 0; i < a.rows; i++) {
    ofRow.fill(0);
    for (let j = 0; j < b.rows; j++) {
      if (isOneSet && i === j) continue;
      const value = kernel[i * b.rows + j]!;
      for (let k = 0; k < width; k++) ofRow[k]! += value * b.chosen[j * width + k]!;
    }
    for (let k = 0; k < width; k++) sums[k]! += ofRow[k]! * a.chosen[i * width + k]!;
  }
  const [all, half] = [a, b].map(({ rows }) => [rows, Math.floor(rows / 2)] as const);
  return sums.map((sum, k) => {
    const [n, m] = [all![k === 0 ? 0 : 1], half![k === 0 ? 0 : 1]];
    return sum / (n * (isOneSet ? m - 1 : m));
  });
}

const combined = (own: Float64Array, other: Float64Array, between: Float64Array): Float64Array =>
  own.map((value, i) => value + other[i]! - 2 * between[i]!);

const cube = (x: Tensor2D): Tensor2D => x.mul<Tensor2D>(x).mul<Tensor2D>(x);
