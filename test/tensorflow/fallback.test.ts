import { beforeAll, describe, expect, test } from 'vitest';
import { KeptTokens } from '../../src/nn/kept-tokens.js';
import {
  compile,
  EagerSession,
  engineKind,
  float32,
  floats,
  int32,
  openSession,
  openStore,
  randomNormal,
  randomUniform,
  runEagerly,
  startEngine,
  streamKey,
  type Tensor,
  type Tensor1D,
  type Tensor4D,
  tf,
} from '../../src/tensorflow/index.js';
import { philox } from './philox.js';

beforeAll(async () => {
  process.env.PIPELINE_BACKEND = 'wasm';
  const [first, again] = [await startEngine(), await startEngine()];
  expect(first).toEqual({
    kind: 'wasm',
    computesOn: 'WebAssembly',
    warnings: [expect.stringContaining('PIPELINE_BACKEND=wasm asks for it.')],
  });
  expect(again).toEqual(first);
  expect([engineKind(), tf.getBackend()]).toEqual(['wasm', 'wasm']);
});

const wave = (shape: number[], phase = 0) =>
  tf.tensor(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(1.7 * i + phase)),
    shape,
  );

/** Values of `f` on the WebAssembly backend and on the one in plain JavaScript. */
async function onBoth(f: () => Tensor[]): Promise<[Float32Array[], Float32Array[]]> {
  const values = () => tf.tidy(() => f().map((tensor) => tensor.dataSync() as Float32Array));
  const wasm = values();
  await tf.setBackend('cpu');
  try {
    return [wasm, values()];
  } finally {
    await tf.setBackend('wasm');
  }
}

describe('kernels that the WebAssembly backend lacks', () => {
  test.each([
    [1, 'same', [2, 5, 6, 3]],
    [2, 'same', [1, 6, 6, 2]],
    [2, 'same', [1, 5, 7, 2]],
    [1, 'valid', [2, 5, 4, 1]],
    [2, 'valid', [1, 6, 5, 2]],
    [1, 1, [1, 4, 4, 2]],
  ] as const)('gradients of convolutions with stride %d and padding %s of %j', async (stride, pad, shape) => {
    const channels = shape[3];
    const gradients = () => {
      const x = wave([...shape]) as Tensor4D;
      const filter = wave([3, 3, channels, 4], 1) as Tensor4D;
      // With a padding in numbers and a width of 2 the backend's own forward kernel writes beyond its memory.
      const depthwise = wave([3, pad === 1 ? 3 : 2, channels, 2], 2) as Tensor4D;
      const weighted = (y: Tensor) => y.mul(wave(y.shape, 3)).sum();
      return [
        ...tf.grads((x, w) => weighted(tf.conv2d(x as Tensor4D, w as Tensor4D, stride, pad)))([x, filter]),
        ...tf.grads((x, w) => weighted(tf.depthwiseConv2d(x as Tensor4D, w as Tensor4D, stride, pad)))([
          x,
          depthwise,
        ]),
      ];
    };
    const [wasm, plain] = await onBoth(gradients);
    expect(wasm).toHaveLength(4);
    // Sums of a few dozen products of float32 numbers near 1.
    wasm.forEach((values, i) => {
      expect(values).toBeAllclose(plain[i]!, { absolute: 1e-5, relative: 1e-5 });
    });
  });

  test('gather, its gradient, and einsum', async () => {
    const [wasm, plain] = await onBoth(() => {
      const rows = tf.tensor1d([2, 0, 2], 'int32');
      const gathered = (x: Tensor) => tf.gather(x, rows).mul(wave([3, 4], 2));
      return [
        gathered(wave([3, 4])),
        tf.grad((x: Tensor) => gathered(x).sum())(wave([3, 4])),
        tf.einsum('ij,kj->ik', wave([2, 3]), wave([4, 3], 1)),
      ];
    });
    wasm.forEach((values, i) => {
      expect(values).toBeAllclose(plain[i]!, { absolute: 1e-6, relative: 1e-6 });
    });
  });
});

test('takes tokens of each sample, and puts them back', () => {
  const places = tf.tensor2d([0, 2, 1, 3, 2, 3], [3, 2], 'int32');
  const ranks = tf.tensor2d([0, 2, 1, 2, 2, 0, 2, 1, 2, 2, 0, 1], [3, 4], 'int32');
  const tokens = new KeptTokens(places, ranks);
  const all = tf.range(0, 12).reshape([3, 4, 1]);
  const values = (x: Tensor) => [...x.dataSync()];
  const taken = tokens.take(all);
  expect(values(taken)).toEqual([0, 2, 5, 7, 10, 11]);
  expect(values(tokens.put(taken))).toEqual([0, 0, 2, 0, 0, 5, 0, 7, 0, 0, 10, 11]);
  expect(values(tokens.replaced(all, taken.neg()))).toEqual([-0, 1, -2, 3, 4, -5, 6, -7, 8, 9, -10, -11]);
  const weight = tf.range(1, 7).reshape([3, 2, 1]);
  expect(values(tf.grad((x: Tensor) => tokens.take(x).mul(weight).sum())(all))).toEqual([
    ...[1, 0, 2, 0, 0, 3, 0, 4, 0, 0, 5, 6],
  ]);
  const table = tf.range(0, 4).reshape([4, 1]);
  expect(values(tf.grad((x: Tensor) => tokens.rows(x).mul(weight).sum())(table))).toEqual([1, 3, 7, 10]);
});

describe('random numbers', () => {
  const key = int32([2], Int32Array.of(0xa4093822 | 0, 0x299f31d0));
  const drawn = (draw: typeof randomNormal, first: number, samples: number, shape: readonly number[]) =>
    floats(
      runEagerly(
        (i: { key: Tensor; first: Tensor }) => ({
          out: draw(i.key as Tensor1D, i.first as Tensor1D, samples, shape),
        }),
        { key, first: int32([1], Int32Array.of(first)) },
      ).out,
    );
  const numbers = (count: number) =>
    philox([count, 0, 0, 0], [0xa4093822, 0x299f31d0]).map((word) => (word & 0x7fffff) / 2 ** 23);

  test('are those of the native library: Philox, each sample with counters of its own', () => {
    expect([...drawn(randomUniform, 3, 2, [2, 3])]).toEqual([
      ...[...numbers(6), ...numbers(7)].slice(0, 6),
      ...[...numbers(8), ...numbers(9)].slice(0, 6),
    ]);
    const far = 2 ** 30 + 1;
    const position = BigInt(far) * 8n;
    const counter = [Number(position & 0xffffffffn), Number(position >> 32n), 0, 0];
    expect([...drawn(randomUniform, far, 1, [32])].slice(0, 4)).toEqual(
      philox(counter, [0xa4093822, 0x299f31d0]).map((word) => (word & 0x7fffff) / 2 ** 23),
    );
  });

  test('normal ones by the Box-Muller transform', () => {
    const [a, b, c, d] = numbers(5) as [number, number, number, number];
    const pair = (u: number, v: number) => {
      const radius = Math.sqrt(-2 * Math.log(u));
      return [radius * Math.sin(2 * Math.PI * v), radius * Math.cos(2 * Math.PI * v)];
    };
    expect(drawn(randomNormal, 5, 1, [4])).toBeAllclose([...pair(a, b), ...pair(c, d)]);
  });
});

describe('an eager session', () => {
  test('runs programs with weights, keeps them, and leaves no tensors behind', async () => {
    const before = tf.memory().numTensors;
    const session = openSession();
    expect(session).toBeInstanceOf(EagerSession);
    const weight = session.variable('weight', [2]);
    const store = openStore(session, [weight]);
    await store.write(() => float32([2], Float32Array.of(3, -1)));
    const program = compile(
      ({ x }: { x: Tensor }, { weight }, { power }: { power: number }) => ({
        y: x.pow(power).mul(weight!),
        x,
        weight: weight!,
      }),
      { session, weights: { weight }, batch: { inputs: { x: 0 }, outputs: { y: 0, x: 0, weight: 0 } } },
    );
    const x = float32([2], Float32Array.of(2, 3));
    for (let i = 0; i < 20; i++) {
      const results = await program.call({ x }, { power: 2 });
      expect(results).toEqual({
        x,
        y: float32([2], Float32Array.of(12, -9)),
        weight: float32([2], Float32Array.of(3, -1)),
      });
    }
    expect(tf.memory().numTensors).toBe(before + 1);
    for await (const [, value] of store.read()) expect([...value.data]).toEqual([3, -1]);
    await expect(store.write(() => float32([1], Float32Array.of(1)))).rejects.toThrow(
      /weight has shape \[2\]/,
    );
    await session.close();
    expect(tf.memory().numTensors).toBe(before);
  });

  test('a program without a session runs too', async () => {
    const program = compile(({ x }: { x: Tensor }) => ({
      grad: tf.grad((y: Tensor) => y.square().sum())(x),
    }));
    const { grad } = await program.call({ x: float32([2], Float32Array.of(2, 3)) });
    expect([...floats(grad)]).toEqual([4, 6]);
    await program.close();
  });

  test('random draws may be part of a program', async () => {
    const program = compile(({ key, first }: { key: Tensor; first: Tensor }) => ({
      out: randomUniform(key as Tensor1D, first as Tensor1D, 2, [3]),
    }));
    const { out } = await program.call({ key: streamKey(1, 'noise'), first: int32([1], Int32Array.of(0)) });
    expect(out.shape).toEqual([2, 3]);
  });
});
