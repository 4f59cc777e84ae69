import { type Tensor, type Tensor1D, tf } from '../tensorflow/index.js';

const maxPeriod = 10_000;

/**
 * Sinusoidal embedding of timesteps: [batch] → [batch, size], cosines first. `size` is even; t is not scaled.
 * Source: Vaswani et al., arXiv 1706.03762, in the form of GLIDE's code.
 */
export function timestepEmbedding(t: Tensor1D, size: number): Tensor {
  const half = size / 2;
  const frequencies = Float32Array.from({ length: half }, (_, i) =>
    Math.exp((-Math.log(maxPeriod) * i) / half),
  );
  const angles = t.expandDims(1).mul(tf.tensor2d(frequencies, [1, half]));
  return tf.concat([angles.cos(), angles.sin()], 1);
}
