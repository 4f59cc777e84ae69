import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { resized } from '../../src/tensorflow/compile.js';
import { bucketFor, fullBucket } from '../../src/tensorflow/signature.js';
import {
  type BatchAxes,
  compile,
  float32,
  floats,
  int32,
  randomNormal,
  runEagerly,
  Session,
  streamKey,
  type Tensor,
  type Tensor1D,
  tf,
} from '../../src/tensorflow/index.js';

let session: Session;
beforeAll(() => {
  session = new Session({ device: 'cpu' });
});
afterAll(() => session.close());

test('buckets hold the batch, grow, and are at most half as large again', () => {
  const buckets = Array.from({ length: 200 }, (_, i) => bucketFor(i + 1));
  expect(buckets.slice(0, 13)).toEqual([1, 2, 3, 4, 6, 6, 8, 8, 12, 12, 12, 12, 16]);
  buckets.forEach((bucket, i) => {
    expect(bucket).toBeGreaterThanOrEqual(i + 1);
    expect(bucket).toBeLessThanOrEqual(1.5 * (i + 1));
    expect(bucketFor(bucket)).toBe(bucket);
  });
  for (let size = 1; size <= 200; size++) {
    const most = Math.max(...buckets.filter((bucket) => bucket <= size));
    expect(fullBucket(size)).toBe(most);
  }
  expect([20, 21, 22].map((size) => bucketFor(size, 21))).toEqual([21, 21, 24]);
});

test.each([
  [0, [1, 2, 3, 4, 5, 6, 5, 6, 5, 6], 5],
  [1, [1, 2, 2, 2, 3, 4, 4, 4, 5, 6, 6, 6], 4],
  [1, [1, 3, 5], 1],
])('resized along axis %d', (axis, values, size) => {
  const tensor = int32([3, 2], Int32Array.of(1, 2, 3, 4, 5, 6));
  const expected = int32([3, 2].with(axis, size), Int32Array.from(values));
  expect(resized(tensor, axis, size)).toEqual(expected);
  expect(resized(expected, axis, size)).toBe(expected);
});

// A type, not an interface: it is a program's record of inputs.
// eslint-disable-next-line @typescript-eslint/consistent-type-definitions
type Inputs = { x: Tensor; labels: Tensor1D; key: Tensor1D; first: Tensor1D };

/** Samples along axis 1 of `x` and of its result, along axis 0 elsewhere. */
const program = ({ x, labels, key, first }: Inputs) => ({
  across: x.transpose().softmax().transpose().mul(labels.cast('float32')),
  noisy: tf
    .gather(x.transpose(), tf.tensor1d([1, 0], 'int32'), 1)
    .add(randomNormal(key, first, labels.size, [2])),
});
const batch: BatchAxes = { inputs: { x: 1, labels: 0 }, outputs: { across: 1, noisy: 0 }, largest: 11 };
const inputs = (size: number, offset = 0) => ({
  x: float32(
    [2, size],
    Float32Array.from({ length: 2 * size }, (_, i) => Math.sin(i + offset)),
  ),
  labels: int32(
    [size],
    Int32Array.from({ length: size }, (_, i) => i + 1),
  ),
  key: streamKey(3, 'noise'),
  first: int32([1], Int32Array.of(40 + offset)),
});

describe('batches of any size', () => {
  test('share a few traces and give what each gives by itself', async () => {
    const compiled = compile(program, { session, batch });
    for (let size = 1; size <= 13; size++) {
      const values = inputs(size, size);
      const actual = await compiled.call(values);
      const expected = runEagerly(program, values);
      for (const name of ['across', 'noisy'] as const) {
        expect(actual[name].shape).toEqual(expected[name].shape);
        // TensorFlow rewrites graphs, which changes the rounding of float32.
        expect(floats(actual[name])).toBeAllclose(floats(expected[name]), { absolute: 1e-6, relative: 1e-6 });
      }
    }
    // 1, 2, 3, 4, 6, 8, 11, 12 and 16.
    expect(compiled.traceCount).toBe(9);
  });

  test.each<[string, BatchAxes, RegExp]>([
    ['a result without an axis', { ...batch, outputs: { across: 1 } }, /result noisy .* has no batch axis/],
    ['a wrong axis', { ...batch, outputs: { across: 0, noisy: 0 } }, /result across .* axis 0/],
    ['inputs that differ', { ...batch, inputs: { x: 0, labels: 0 } }, /2 \(x\), 3 \(labels\)/],
    ['no axis of that number', { ...batch, inputs: { x: 2, labels: 0 } }, /no batch axis \(x\)/],
    ['no inputs', { ...batch, inputs: {} }, /no input with a batch axis/],
  ])('refused: %s', async (_, axes, message) => {
    await expect(compile(program, { session, batch: axes }).call(inputs(3))).rejects.toThrow(message);
  });

  test('refused: a mean over the batch, which what is filled up would change', async () => {
    const mean = compile(({ x }: { x: Tensor }) => ({ mean: x.mean() }), {
      session,
      batch: { inputs: { x: 0 }, outputs: { mean: 0 } },
    });
    await expect(mean.call({ x: float32([3], new Float32Array(3)) })).rejects.toMatchObject({
      code: 'batch-axis',
    });
  });
});
