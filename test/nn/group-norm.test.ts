import { expect, it } from 'vitest';
import { groupNorm, siluOfGroupNorm } from '../../src/nn/norms.js';
import {
  compile,
  float32,
  floats,
  nativeBackend,
  recordSteps,
  Session,
  sizeOf,
  type Tensor,
  tf,
} from '../../src/tensorflow/index.js';

const shape = [2, 4, 6, 12] as const;
const numbers = (shape: readonly number[], seed: number) =>
  float32(
    shape,
    Float32Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(seed * (i + 1) ** 1.3)),
  );
const inputs = {
  x: numbers(shape, 1),
  gain: numbers([12], 2),
  offset: numbers([12], 3),
  dy: numbers(shape, 4),
};

/** The value of both norms one after the other, their gradients, and the kinds of operation that computed them. */
async function results(fusion: boolean) {
  nativeBackend();
  const session = new Session({ device: 'cpu', fusion });
  try {
    const program = compile(
      ({ x, gain, offset, dy }: Record<keyof typeof inputs, Tensor>) => {
        const { value, grads } = tf.valueAndGrads((x: Tensor, gain: Tensor, offset: Tensor) =>
          groupNorm(siluOfGroupNorm(x, gain, offset, 3), gain, offset, 4),
        )([x, gain, offset], dy);
        return { value, gradients: tf.concat(grads.map((gradient) => gradient.flatten())) };
      },
      { session },
    );
    const recording = recordSteps(1);
    for (let call = 0; call < 2; call++) await program.call(inputs);
    const { value, gradients } = await program.call(inputs);
    const operations = (await recording.done).flat().map(({ operation }) => operation.replace(/_\d+$/, ''));
    return { value: floats(value), gradients: floats(gradients), operations };
  } finally {
    await session.close();
  }
}

it('gives the same value and gradients as one operation each and one by one', async () => {
  const [fused, single] = [await results(true), await results(false)];
  expect(fused.value).toBeAllclose(single.value, { absolute: 1e-5 });
  expect(fused.gradients).toBeAllclose(single.gradients, { absolute: 2e-5 });
  const count = (name: string) => fused.operations.filter((operation) => operation === name).length;
  expect(
    ['group_norm', 'group_norm_gradient', 'silu_of_group_norm_gradient', 'Sigmoid', 'Mean'].map(count),
  ).toEqual([2, 2, 1, 0, 0]);
  expect(single.operations).toContain('Sigmoid');
}, 60_000);
