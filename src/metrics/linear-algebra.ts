import { argumentError, UserError } from '../base/errors.js';

/** A square matrix of double precision, row by row. */
export interface SquareMatrix {
  readonly size: number;
  readonly data: Float64Array;
}

/** Rows of numbers of equal length, such as the features of a set of images. */
export interface Rows {
  readonly count: number;
  readonly width: number;
  readonly data: Float64Array | Float32Array;
}

/**
 * Rows over `data` (not copied). Throws where it does not hold whole rows.
 *
 * @throws UserError `features-not-finite`: every figure of them would be NaN
 */
export function rowsOf(width: number, data: Rows['data']): Rows {
  if (!(width >= 1) || data.length % width !== 0)
    throw argumentError(`${data.length} numbers are no rows of ${width}.`);
  const wrong = data.findIndex((value) => !Number.isFinite(value));
  if (wrong >= 0)
    throw new UserError({
      code: 'features-not-finite',
      message: `Row ${Math.floor(wrong / width)} of the features holds ${data[wrong]!}: nothing can be compared with it.`,
      remedy: 'Find the network or the images that give values that are not finite.',
    });
  return { count: data.length / width, width, data };
}

/** A factor F of a matrix A = FᵀF with as many rows as A has rank, row by row. */
interface Factor {
  readonly rank: number;
  readonly size: number;
  readonly data: Float64Array;
}

/**
 * Cholesky's factor of a symmetric positive semidefinite matrix, by complete pivoting, so that matrices that are not
 * of full rank have one too: stops where what is left is no more than rounding.
 *
 * Source: Higham, "Accuracy and stability of numerical algorithms" (2002), 10.3.
 */
export function semidefiniteFactor({ size, data }: SquareMatrix): Factor {
  const left = Float64Array.from({ length: size }, (_, i) => data[i * size + i]!);
  const rows: Float64Array[] = [];
  const floor = size * Number.EPSILON * left.reduce((largest, value) => Math.max(largest, value), 0);
  while (rows.length < size) {
    let pivot = 0;
    for (let i = 1; i < size; i++) if (left[i]! > left[pivot]!) pivot = i;
    if (left[pivot]! <= floor) break;
    const root = Math.sqrt(left[pivot]!);
    const row = data.slice(pivot * size, (pivot + 1) * size);
    for (const earlier of rows) {
      const factor = earlier[pivot]!;
      for (let i = 0; i < size; i++) row[i]! -= factor * earlier[i]!;
    }
    for (let i = 0; i < size; i++) {
      row[i]! /= root;
      left[i]! -= row[i]! * row[i]!;
    }
    left[pivot] = 0;
    rows.push(row);
  }
  const packed = new Float64Array(rows.length * size);
  for (const [i, row] of rows.entries()) packed.set(row, i * size);
  return { rank: rows.length, size, data: packed };
}

/** F·B·Fᵀ for a symmetric B: the lower half of it, the rest 0. */
export function congruence({ rank, size, data }: Factor, b: SquareMatrix): SquareMatrix {
  const result = new Float64Array(rank * rank);
  const product = new Float64Array(size);
  for (let i = 0; i < rank; i++) {
    product.fill(0);
    for (let k = 0; k < size; k++) {
      const factor = data[i * size + k]!;
      if (factor === 0) continue;
      const start = k * size;
      for (let j = 0; j < size; j++) product[j]! += factor * b.data[start + j]!;
    }
    for (let j = 0; j <= i; j++) {
      let sum = 0;
      const start = j * size;
      for (let k = 0; k < size; k++) sum += product[k]! * data[start + k]!;
      result[i * rank + j] = sum;
    }
  }
  return { size: rank, data: result };
}

/** Sweeps that one eigenvalue may need; two or three are usual. */
const mostSweeps = 60;

/**
 * The eigenvalues of a symmetric matrix, ascending: Householder's reduction to a tridiagonal matrix, then implicit QL
 * with Wilkinson's shifts. 4/3·n³ operations; the error is of the order of the largest eigenvalue times 1e-16.
 *
 * Source: Golub and Van Loan, "Matrix computations" (2013), 8.3.
 *
 * @param matrix only its lower half is read
 */
export function symmetricEigenvalues(matrix: SquareMatrix): Float64Array {
  const { diagonal, beside } = tridiagonalise(matrix);
  for (let first = 0; first < diagonal.length; first++) deflate(diagonal, beside, first);
  return diagonal.sort();
}

interface Tridiagonal {
  readonly diagonal: Float64Array;
  /** Entry i lies between diagonal entries i and i + 1; the last is 0. */
  readonly beside: Float64Array;
}

/** Reflects the last row and column into their entries beside the diagonal, then the row before, and so on. */
function tridiagonalise({ size, data }: SquareMatrix): Tridiagonal {
  const a = data.slice();
  const diagonal = new Float64Array(size);
  const beside = new Float64Array(size);
  const product = new Float64Array(size);
  for (let i = size - 1; i > 0; i--) {
    const row = i * size;
    const reflector = a.subarray(row, row + i);
    const norm = Math.hypot(...chunkNorms(reflector));
    diagonal[i] = a[row + i]!;
    if (norm === 0) continue;
    const pivot = reflector[i - 1]!;
    const image = pivot > 0 ? -norm : norm;
    beside[i - 1] = image;
    reflector[i - 1] = pivot - image;
    // The reflection is 1 - u·uᵀ/h; A becomes A - u·qᵀ - q·uᵀ with q = p - u·(uᵀp)/2h, p = A·u/h.
    const h = norm * norm - pivot * image;
    multiplyLower(a, size, reflector, product);
    let projection = 0;
    for (let j = 0; j < i; j++) {
      product[j]! /= h;
      projection += product[j]! * reflector[j]!;
    }
    projection /= 2 * h;
    for (let j = 0; j < i; j++) product[j]! -= projection * reflector[j]!;
    for (let j = 0; j < i; j++) {
      const u = reflector[j]!;
      const q = product[j]!;
      const start = j * size;
      for (let k = 0; k <= j; k++) a[start + k]! -= u * product[k]! + q * reflector[k]!;
    }
  }
  diagonal[0] = a[0] ?? 0;
  return { diagonal, beside };
}

/** Norms of portions, so that squares of many numbers are added pairwise. */
function chunkNorms(vector: Float64Array): number[] {
  const norms: number[] = [];
  for (let start = 0; start < vector.length; start += 64)
    norms.push(Math.hypot(...vector.subarray(start, start + 64)));
  return norms;
}

/** product = A·vector for the leading part of a symmetric A of which the lower half is known. */
function multiplyLower(a: Float64Array, size: number, vector: Float64Array, product: Float64Array): void {
  const n = vector.length;
  product.fill(0, 0, n);
  for (let j = 0; j < n; j++) {
    const start = j * size;
    const v = vector[j]!;
    let sum = a[start + j]! * v;
    for (let k = 0; k < j; k++) {
      const entry = a[start + k]!;
      sum += entry * vector[k]!;
      product[k]! += entry * v;
    }
    product[j]! += sum;
  }
}

/** Sweeps until the entry beside `first` is negligible, so that the diagonal entry there is an eigenvalue. */
function deflate(diagonal: Float64Array, beside: Float64Array, first: number): void {
  for (let sweep = 0; ; sweep++) {
    let last = first;
    while (last < diagonal.length - 1) {
      const scale = Math.abs(diagonal[last]!) + Math.abs(diagonal[last + 1]!);
      if (Math.abs(beside[last]!) <= Number.EPSILON * scale) break;
      last++;
    }
    if (last === first) return;
    if (sweep === mostSweeps)
      throw new Error('The eigenvalues of a matrix did not converge: has it NaN or infinities?');
    sweepUp(diagonal, beside, first, last);
  }
}

/** One implicit QL sweep over the block from `first` to `last`. */
function sweepUp(diagonal: Float64Array, beside: Float64Array, first: number, last: number): void {
  const half = (diagonal[first + 1]! - diagonal[first]!) / (2 * beside[first]!);
  const root = Math.hypot(half, 1);
  let bulge = diagonal[last]! - diagonal[first]! + beside[first]! / (half + (half < 0 ? -root : root));
  let sine = 1;
  let cosine = 1;
  let shift = 0;
  for (let i = last - 1; i >= first; i--) {
    const f = sine * beside[i]!;
    const b = cosine * beside[i]!;
    const r = Math.hypot(f, bulge);
    beside[i + 1] = r;
    if (r === 0) {
      diagonal[i + 1]! -= shift;
      beside[last] = 0;
      return;
    }
    sine = f / r;
    cosine = bulge / r;
    const moved = diagonal[i + 1]! - shift;
    const turned = (diagonal[i]! - moved) * sine + 2 * cosine * b;
    shift = sine * turned;
    diagonal[i + 1] = moved + shift;
    bulge = cosine * turned - b;
  }
  diagonal[first]! -= shift;
  beside[first] = bulge;
  beside[last] = 0;
}
