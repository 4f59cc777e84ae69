import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  asFactor,
  compile,
  float32,
  floats,
  fused,
  nativeBackend,
  recordSteps,
  Session,
  VariableStore,
  type Tensor,
  type Tensor2D,
  type Tensors,
  tf,
} from '../../src/tensorflow/index.js';
import { softmax } from '../../src/nn/activations.js';
import { geluLinear } from '../../src/nn/layers.js';
import { adaLayerNorm } from '../../src/nn/norms.js';
import { whyNoBfloat16 } from '../support/bfloat16.js';
import { describeUnless } from '../support/unless.js';

/** What bfloat16, with its 8 significant bits, rounds to 1. */
const oneAndABit = 1 + 2 ** -10;

describeUnless(whyNoBfloat16, 'a program in bfloat16', () => {
  let session: Session;
  beforeEach(() => {
    nativeBackend();
    session = new Session({ device: 'cpu', precision: 'bfloat16', rewriting: false, fusion: true });
  });
  afterEach(() => session.close());

  const operations: string[] = [];
  async function valueOf(program: (x: Tensor2D) => Tensor, x: number): Promise<number> {
    operations.length = 0;
    const compiled = compile(({ x }: { x: Tensor2D }): Tensors => ({ y: program(x) }), { session });
    const inputs = { x: float32([1, 1], Float32Array.of(x)) };
    await compiled.call(inputs);
    const recording = recordSteps(1);
    for (let call = 0; call < 3; call++) await compiled.call(inputs);
    operations.push(...(await recording.done).flat().map(({ operation }) => operation));
    return floats((await compiled.call(inputs)).y!)[0]!;
  }
  const casts = () => operations.filter((operation) => operation === 'Cast').length;

  test('rounds the factors of products, and their results', async () => {
    expect(await valueOf((x) => tf.matMul(x, tf.tensor2d([[3]])), oneAndABit)).toBe(3);
    expect(await valueOf((x) => tf.matMul(x.reshape([1, 1, 1]), tf.tensor3d([[[3]]])), oneAndABit)).toBe(3);
    // 3 · 86 is 258; 3 · 85.66… and 257 have no place between 256 and 258.
    expect(await valueOf((x) => tf.matMul(x, tf.tensor2d([[257 / 256]])), 256)).toBe(256);
  });

  test('computes everything else in float32', async () => {
    expect(await valueOf((x) => x.add(2 ** -10), 1)).toBe(oneAndABit);
    expect(await valueOf((x) => tf.matMul(x, x).add(tf.tensor2d([[2 ** -10]])), 1)).toBe(oneAndABit);
    expect(await valueOf((x) => x.mul(oneAndABit), 1)).toBe(Math.fround(oneAndABit));
  });

  test('adds a bias within the product, which is rounded then', async () => {
    const bias = tf.tensor1d([2 ** -10]);
    expect(await valueOf((x) => tf.matMul(x, tf.tensor2d([[1]])).add(bias), 1)).toBe(1);
    expect(operations.some((operation) => operation.includes('Fused'))).toBe(true);
  });

  test('leaves results of products as they are where they are only moved', async () => {
    const ones = tf.ones([4, 4]).as2D(4, 4);
    const value = await valueOf((x) => {
      const wide = tf.matMul(tf.tile(x, [4, 4]), ones);
      const halves = tf.split(wide.reshape([2, 2, 4]).transpose([1, 0, 2]), 2);
      return tf.matMul(tf.concat(halves, 0).reshape([4, 4]), ones).slice([0, 0], [1, 1]);
    }, 1);
    expect(value).toBe(16);
    // Of x and of the result; the ones are a constant, cast before the program runs.
    expect(casts()).toBe(2);
  });

  test('has gradients', async () => {
    const gradient = (x: Tensor2D) => tf.grad((x) => tf.matMul(x as Tensor2D, x as Tensor2D).square())(x);
    // 4x³ at 1.5
    expect(await valueOf(gradient, 1.5)).toBe(13.5);
  });

  const doubled = (takesHalf: boolean) =>
    fused('doubled', (x: Tensor) => [asFactor(x.mul(2))] as const, { takesHalf });

  test.each([
    [true, 2],
    [false, 3],
  ])('gives a fused function bfloat16 where it takes that: %s', async (takesHalf, expected) => {
    const double = doubled(takesHalf);
    expect(await valueOf((x) => tf.matMul(double(tf.matMul(x, x))[0], x), 1.5)).toBe(6.75);
    // Of x, of the last result, and before a function that wants float32.
    expect(casts()).toBe(expected);
  });

  test('keeps a variable that is a factor as products take it', async () => {
    const shape = [2, 2];
    const variables = {
      kept: session.variable('kept', shape),
      factor: session.variable('factor', shape, { factor: true }),
    };
    const store = new VariableStore(session, Object.values(variables));
    const program = compile(
      ({ x }: { x: Tensor2D }, { kept, factor }: Tensors) => ({
        products: tf.matMul(x, kept as Tensor2D).sub(tf.matMul(x, factor as Tensor2D)),
        sum: factor!.add(0),
      }),
      { session, weights: variables },
    );
    await store.write(() => float32(shape, Float32Array.of(1.01, -2.02, 3.03, oneAndABit)));
    const results = await program.call({ x: float32([1, 2], Float32Array.of(1, 3)) });
    expect(floats(results.products)).toEqual(Float32Array.of(0, 0));
    const rounded = Float32Array.of(1.0078125, -2.015625, 3.03125, 1);
    expect(floats(results.sum)).toEqual(rounded);
    const read: Record<string, readonly number[]> = {};
    for await (const [{ name }, value] of store.read()) read[name] = [...floats(value)];
    expect(read.factor).toEqual([...rounded]);
    expect(read.kept![3]).toBe(oneAndABit);
  });

  describe('with operations of oneDNN', () => {
    const [rows, columns] = [3, 32];
    const numbers = (count: number, step: number) =>
      Float32Array.from({ length: count }, (_, i) => 2 * Math.sin(step * i));
    const x = { x: float32([rows, columns], numbers(rows * columns, 0.7)) };
    const weight = () => tf.tensor2d(numbers(columns * columns, 1.3), [columns, columns]).mul(0.2);
    const bias = () => tf.tensor1d(numbers(columns, 0.4));
    const shift = () => bias().reshape([1, 1, columns]);

    /** Largest difference between a program in this session and in float32. */
    async function difference(program: (x: Tensor2D) => Tensor): Promise<number> {
      const plain = new Session({ device: 'cpu', rewriting: false });
      try {
        const [half, full] = await Promise.all(
          [session, plain].map(async (session) => {
            const compiled = compile(({ x }: { x: Tensor2D }): Tensors => ({ y: program(x) }), { session });
            return floats((await compiled.call(x)).y!);
          }),
        );
        return Math.max(...half!.map((value, i) => Math.abs(value - full![i]!)));
      } finally {
        await plain.close();
      }
    }
    const has = (name: string) => session.graph.find(name) !== undefined;
    const named = (type: string) =>
      Array.from({ length: session.graph.size }, (_, i) => `${type}_${i}`).some(has);

    // Values stay below 8, where bfloat16 has a step of 2⁻⁵; norms and softmaxes below 4 and 1.
    test.each<[string, string, number, (x: Tensor2D) => Tensor]>([
      ['softmax', 'Softmax', 2 ** -8, (x) => softmax(x, bias())],
      ['GELU of a product', 'FusedMatMul', 2 ** -4, (x) => geluLinear(x, weight(), bias())],
      [
        'adaptive layer norm',
        'MklLayerNorm',
        2 ** -6,
        (x) => adaLayerNorm(x.reshape([1, rows, columns]), shift(), shift()),
      ],
    ])('%s is one, and equal within its rounding', async (_, operation, tolerance, program) => {
      expect(await difference(program)).toBeLessThan(tolerance);
      expect(named(operation)).toBe(true);
    });

    test.each<[string, string, (x: Tensor2D) => Tensor]>([
      ['GELU of a product', 'FusedMatMul', (x) => geluLinear(x, weight(), bias())],
      [
        'adaptive layer norm',
        'MklLayerNorm',
        (x) => adaLayerNorm(x.reshape([1, rows, columns]), shift(), shift()),
      ],
    ])('%s is none where a gradient is taken', async (_, operation, program) => {
      expect(await difference(tf.grad((x) => program(x as Tensor2D)) as typeof program)).toBeLessThan(
        2 ** -4,
      );
      expect(named(operation)).toBe(false);
    });
  });

  test('rounds what is marked as a factor, within fused functions too', async () => {
    expect(await valueOf((x) => asFactor(x), oneAndABit)).toBe(1);
    expect(await valueOf((x) => doubled(true)(x)[0], oneAndABit)).toBe(2);
  });
});

test('in float32 nothing is rounded', async () => {
  nativeBackend();
  const session = new Session({ device: 'cpu', rewriting: false });
  try {
    const program = compile(
      ({ x }: { x: Tensor2D }) => ({ factor: asFactor(x), product: tf.matMul(x, tf.tensor2d([[3]])) }),
      { session },
    );
    const results = await program.call({ x: float32([1, 1], Float32Array.of(oneAndABit)) });
    expect(floats(results.factor)[0]).toBe(oneAndABit);
    expect(floats(results.product)[0]).toBe(3 * oneAndABit);
  } finally {
    await session.close();
  }
});
