import { UserError } from '../errors.js';
import { type HostTensor, sizeOf } from './data-types.js';

/**
 * Which axis of inputs and outputs counts the samples of a batch. The program must treat samples independently:
 * batches are filled up to a bucket's size with copies of the last sample, and what comes of these is cut off.
 */
export interface BatchAxes {
  /** Inputs with a batch axis; the others are the same for every batch. */
  readonly inputs: Readonly<Record<string, number>>;
  /** Every output has one. */
  readonly outputs: Readonly<Record<string, number>>;
  /** Samples of a full batch, which is never filled up further. */
  readonly largest?: number;
}

/** Number of samples that a batch of `size` is filled up to: 1, 2, 3, 4, 6, 8, 12, 16, 24 and so on, at most half more. */
export function bucketFor(size: number, largest = Infinity): number {
  const power = 2 ** Math.ceil(Math.log2(size));
  const bucket = size <= 0.75 * power ? 0.75 * power : power;
  return size <= largest ? Math.min(bucket, largest) : bucket;
}

/**
 * Number of samples in the inputs.
 *
 * @throws UserError `batch-sizes` where inputs differ, or lack the axis.
 */
export function batchSize(inputs: Readonly<Record<string, HostTensor>>, axes: BatchAxes['inputs']): number {
  const sizes = Object.entries(axes).map(([name, axis]) => ({ name, size: inputs[name]?.shape[axis] }));
  const [first] = sizes;
  if (first?.size === undefined || first.size < 1 || sizes.some(({ size }) => size !== first.size))
    throw new UserError({
      code: 'batch-sizes',
      message: `Inputs of a batch must have the same number of samples, at least 1; found ${sizes.map(({ name, size }) => `${size ?? 'no batch axis'} (${name})`).join(', ') || 'no input with a batch axis'}.`,
    });
  return first.size;
}

/** The tensor with `size` entries along `axis`: cut off, or filled up with copies of the last. */
export function resized(tensor: HostTensor, axis: number, size: number): HostTensor {
  const { dtype, shape, data } = tensor;
  const present = shape[axis]!;
  if (present === size) return tensor;
  const inner = sizeOf(shape.slice(axis + 1));
  const outer = sizeOf(shape.slice(0, axis));
  const kept = Math.min(present, size) * inner;
  const result = new (data.constructor as Float32ArrayConstructor)(outer * size * inner);
  for (let row = 0; row < outer; row++) {
    const source = data.subarray(row * present * inner, row * present * inner + kept);
    result.set(source, row * size * inner);
    for (let entry = present; entry < size; entry++)
      result.set(source.subarray(kept - inner), (row * size + entry) * inner);
  }
  return { dtype, shape: shape.with(axis, size), data: result };
}
