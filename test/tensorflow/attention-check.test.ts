import { expect, test } from 'vitest';
import { attentionByProducts } from '../../src/tensorflow/attention-check.js';
import { compile, float32, type Tensor, tf } from '../../src/tensorflow/index.js';

test('what cuDNN’s attention is compared with has the gradients that differentiation gives', async () => {
  const shape = [2, 1, 6, 4];
  const draw = (seed: number) => tf.randomNormal(shape, 0, 2, 'float32', seed);
  const program = compile((i: Record<'q' | 'k' | 'v' | 'dy', Tensor>) => {
    const attention = (q: Tensor, k: Tensor, v: Tensor) =>
      tf.matMul(tf.softmax(tf.matMul(q, k, false, true).mul(0.5)), v);
    const expected = tf.grads((...args: Tensor[]) => attention(...(args as [Tensor, Tensor, Tensor])))(
      [i.q, i.k, i.v],
      i.dy,
    );
    const found = attentionByProducts([i.q, i.k, i.v], i.dy, 0.5);
    return { expected: tf.stack([attention(i.q, i.k, i.v), ...expected]), found: tf.stack(found) };
  });
  const host = (seed: number) => float32(shape, draw(seed).dataSync() as Float32Array);
  const { expected, found } = await program.call({ q: host(1), k: host(2), v: host(3), dy: host(4) });
  for (const [i, value] of found.data.entries()) expect(value).toBeCloseTo(expected.data[i]!, 5);
  await program.close();
});
