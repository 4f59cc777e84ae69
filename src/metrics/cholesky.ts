import type { SquareMatrix } from './matrix.js';

/** A factor F of a matrix A = FᵀF with as many rows as A has rank, row by row. */
export interface Factor {
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
