import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  compile,
  float32,
  floats,
  fused,
  type HostRecord,
  mapValues,
  nativeBackend,
  recordSteps,
  Session,
  type Tensor,
  type Tensors,
  tf,
} from '../../src/tensorflow/index.js';

const values = (size: number) => Float32Array.from({ length: size }, (_, i) => Math.sin(i + 1));

/** Mean and centred values of rows, times a factor, and shifted where the flag says so. */
const centre = fused('centre', (x: Tensor, factor: number, shift: boolean) => {
  const mean = x.mean(-1, true);
  const centred = x.sub(mean).mul(factor);
  return [shift ? centred.add(1) : centred, mean] as const;
});

let session: Session;
beforeEach(() => {
  nativeBackend();
  session = new Session({ device: 'cpu', fusion: true });
});
afterEach(() => session.close());

async function profiled(program: (inputs: { x: Tensor }) => Tensors) {
  const compiled = compile(program, { session });
  const recording = recordSteps(1);
  let results!: HostRecord<Tensors>;
  for (let call = 0; call < 3; call++) results = await compiled.call({ x: float32([3, 40], values(120)) });
  const steps = await recording.done;
  return { results, operations: steps.flat().map(({ operation }) => operation) };
}

describe('a fused function', () => {
  test('is one operation of a graph, with the values that it has eagerly', async () => {
    const { results, operations } = await profiled(({ x }) => {
      const [centred, mean] = centre(x, 3, true);
      return { centred, mean };
    });
    expect(operations.filter((name) => /^centre_\d+$/.test(name))).toHaveLength(1);
    expect(operations.some((name) => /Sub|Mul|Mean/.test(name))).toBe(false);
    const [centred, mean] = centre(tf.tensor2d(values(120), [3, 40]), 3, true);
    // Sums of 40 numbers of order 1, in another order.
    expect(floats(results.centred!)).toBeAllclose(centred.dataSync(), { absolute: 1e-6 });
    expect(floats(results.mean!)).toBeAllclose(mean.dataSync(), { absolute: 1e-6 });
  });

  test('is the same operation wherever shapes and static values are the same', async () => {
    const { operations } = await profiled(({ x }) => {
      const once = centre(x, 2, false)[0];
      const twice = centre(once, 2, false)[0];
      const other = centre(twice, 3, false)[0];
      return { y: centre(other.reshape([4, 30]), 3, false)[0] };
    });
    const calls = operations.filter((name) => name.startsWith('centre'));
    expect(calls).toHaveLength(4);
    expect(new Set(calls).size).toBe(3);
  });

  test('runs as it stands where its tensors are small', async () => {
    await session.close();
    session = new Session({ device: 'cpu' });
    const { operations } = await profiled(({ x }) => ({ y: centre(x, 2, false)[0] }));
    expect(operations.some((name) => name.startsWith('centre'))).toBe(false);
    expect(operations.some((name) => name.includes('Mean'))).toBe(true);
  });

  test('is fused by default where its tensors are large', async () => {
    await session.close();
    session = new Session({ device: 'cpu' });
    const { operations } = await profiled(({ x }) => ({ y: centre(tf.tile(x, [1100, 1]), 2, false)[0] }));
    expect(operations.some((name) => name.startsWith('centre'))).toBe(true);
  });

  test('refuses a tensor that is no argument', async () => {
    const captures = ({ x }: { x: Tensor }) => ({
      y: fused('captures', (z: Tensor) => [z.add(x)] as const)(x.neg())[0],
    });
    const compiled = compile(captures, { session });
    await expect(compiled.call({ x: float32([2], values(2)) })).rejects.toThrow(/another traced function/);
  });
});

describe('a product and a vector that is added to its last axis', () => {
  const program = ({ x }: { x: Tensor }) => {
    const product = tf.matMul(x, x, false, true);
    const bias = x.slice([0, 0], [1, 3]).reshape([3]);
    const column = x.slice([0, 0], [3, 1]);
    return { biased: product.add(bias), both: product.add(bias).sub(product), other: product.add(column) };
  };
  const expected = () => mapValues(program({ x: tf.tensor2d(values(120), [3, 40]) }), (y) => y.dataSync());

  beforeEach(async () => {
    await session.close();
    session = new Session({ device: 'cpu', rewriting: false });
  });

  test('are one operation where TensorFlow rewrites no graphs', async () => {
    const { results, operations } = await profiled(({ x }) => ({ biased: program({ x }).biased }));
    expect(operations.filter((name) => /Fused.*MatMul/.test(name))).toHaveLength(1);
    expect(operations.filter((name) => /^(_Mkl)?MatMul/.test(name))).toHaveLength(0);
    expect(floats(results.biased!)).toBeAllclose(expected().biased!, { absolute: 1e-5 });
  });

  test('leave the product to others, and are not confused with other sums', async () => {
    const { results } = await profiled(program);
    for (const [name, value] of Object.entries(expected()))
      expect(floats(results[name]!)).toBeAllclose(value, { absolute: 1e-5 });
  });
});
