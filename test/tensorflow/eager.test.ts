import { beforeAll, describe, expect, test } from 'vitest';
import { nativeBackend, tf } from '../../src/tensorflow/index.js';

beforeAll(() => {
  nativeBackend();
});

/** Runs `f` in a tidy and checks that it leaves no tensor. */
function tidy<T>(f: () => T): T {
  const before = nativeBackend().eagerTensorCount;
  let result: T;
  tf.tidy(() => {
    result = f();
  });
  expect(nativeBackend().eagerTensorCount).toBe(before);
  return result!;
}

test('tfjs uses the native backend', () => {
  expect(tf.getBackend()).toBe('tensorflow');
});

describe('values go in and come out as they were', () => {
  test.each([
    ['float32', [0, -1.5, 3.4028234663852886e38, Infinity, NaN, 2 ** -149]],
    ['int32', [0, -1, 2147483647, -2147483648, 16777217, 5]],
    ['bool', [1, 0, 1, 1, 0, 0]],
    ['string', ['', 'a', 'äöü 😀', 'a string that is too long to be stored in place', 'x\0y', 'b']],
  ] as const)('%s', (dtype, values) => {
    const read = tidy(() => {
      const tensor = tf.tensor([...values] as number[], [2, 3], dtype);
      // Through an operation, so that the values have been in native memory.
      return Array.from(tf.concat([tensor, tensor]).dataSync() as ArrayLike<unknown>);
    });
    expect(read).toEqual([...values, ...values]);
  });

  test('complex64', () => {
    const [real, imaginary] = tidy(() => {
      const z = tf.complex([1, -2], [0.5, 3]);
      const square = z.mul(z);
      return [[...tf.real(square).dataSync()], [...tf.imag(square).dataSync()]];
    });
    expect(real).toEqual([1 - 0.25, 4 - 9]);
    expect(imaginary).toEqual([2 * 0.5, 2 * -2 * 3]);
  });

  test.each([[[0]], [[0, 3]], [[1, 1, 1, 1, 1, 2]], [[]]])('shape %j', (shape) => {
    const size = shape.reduce((product, extent) => product * extent, 1);
    const back = tidy(() => {
      const sum = tf.fill(shape, 2).add(1);
      return { shape: sum.shape, data: [...sum.dataSync()] };
    });
    expect(back).toEqual({ shape, data: new Array<number>(size).fill(3) });
  });

  test('more elements than a JavaScript call takes arguments', () => {
    const sum = tidy(
      () =>
        tf
          .ones([2 ** 21])
          .sum()
          .dataSync()[0],
    );
    expect(sum).toBe(2 ** 21);
  });
});

describe('operations', () => {
  test('a matrix product', () => {
    const product = tidy(() => tf.matMul([[1, 2], [3, 4]], [[5, 6], [7, 8]]).arraySync()); // prettier-ignore
    expect(product).toEqual([[19, 22], [43, 50]]); // prettier-ignore
  });

  test('several outputs', () => {
    const parts = tidy(() => tf.split(tf.tensor1d([1, 2, 3, 4]), 2).map((part) => [...part.dataSync()]));
    expect(parts).toEqual([[1, 2], [3, 4]]); // prettier-ignore
  });

  test('rounding integers keeps them', () => {
    expect(tidy(() => [...tf.tensor1d([-7, 8], 'int32').round().dataSync()])).toEqual([-7, 8]);
    expect(tidy(() => [...tf.tensor1d([0.5, 1.5, -1.7]).round().dataSync()])).toEqual([0, 2, -2]);
  });

  test('gather refuses an index out of range', () => {
    expect(() => tidy(() => tf.gather([1, 2, 3], [3]))).toThrow('not in [0, 2]');
  });

  test("an error of TensorFlow's carries its message and status, and leaves no tensor", () => {
    const run = () => tf.tidy(() => nativeBackend().operation('MatMul', [tf.ones([2, 3]), tf.ones([2, 3])]));
    tidy(() => {
      expect(run).toThrow(
        expect.objectContaining({
          name: 'TensorFlowError',
          statusCode: 3,
          message: expect.stringContaining('[2,3]') as string,
        }),
      );
    });
  });

  test('a disposed tensor is refused', () => {
    const tensor = tf.ones([2]);
    tensor.dispose();
    expect(() => tensor.add(1)).toThrow(/disposed/);
  });
});
