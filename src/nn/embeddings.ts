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

/**
 * Fixed two-dimensional sine-cosine position embedding of a square grid, as [grid², size] values: the first half of
 * the channels encodes the column, the second the row. `size` is a multiple of 4.
 * Source: He et al., arXiv 2111.06377.
 */
export function positionEmbedding(size: number, grid: number): Float32Array {
  const quarter = size / 4;
  const values = new Float32Array(grid * grid * size);
  for (let row = 0; row < grid; row++)
    for (let column = 0; column < grid; column++) {
      const start = (row * grid + column) * size;
      for (let i = 0; i < quarter; i++) {
        const frequency = 1 / maxPeriod ** (i / quarter);
        values[start + i] = Math.sin(column * frequency);
        values[start + quarter + i] = Math.cos(column * frequency);
        values[start + 2 * quarter + i] = Math.sin(row * frequency);
        values[start + 3 * quarter + i] = Math.cos(row * frequency);
      }
    }
  return values;
}
