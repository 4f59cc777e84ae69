import { arrayOver, type HostTensor, sizeOf } from '../tensorflow/data-types.js';

/** The samples of a batch that are named, in that order: `[rows, …]`. */
export function takeRows({ dtype, shape, data }: HostTensor, rows: readonly number[]): HostTensor {
  const rest = shape.slice(1);
  const size = sizeOf(rest);
  const taken = arrayOver(dtype, new ArrayBuffer(rows.length * size * data.BYTES_PER_ELEMENT));
  for (const [i, row] of rows.entries()) taken.set(data.subarray(row * size, (row + 1) * size), i * size);
  return { dtype, shape: [rows.length, ...rest], data: taken };
}

/** Writes the samples of `part` over those of `whole` that are named. */
export function putRows(part: HostTensor, rows: readonly number[], whole: Float32Array): void {
  const size = sizeOf(part.shape.slice(1));
  for (const [i, row] of rows.entries()) whole.set(part.data.subarray(i * size, (i + 1) * size), row * size);
}

/** Writes one sample of a batch over the same sample of `whole`. */
export function copyRow({ shape, data }: HostTensor, row: number, whole: Float32Array): void {
  const size = sizeOf(shape.slice(1));
  whole.set(data.subarray(row * size, (row + 1) * size), row * size);
}

/** Row numbers 0, 1, … */
export function allRows({ shape }: HostTensor): number[] {
  return Array.from({ length: shape[0]! }, (_, row) => row);
}
