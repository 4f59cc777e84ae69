import { type Tensor, asFactor, fused, tf } from '../tensorflow/index.js';
import { adaptivePooling, overGrid } from './resampling.js';

/**
 * Averages of a square grid of points over side × side adaptive windows, times `factor`:
 * [heads, batch, grid², size] → [heads, batch, side², size]. No gradient of its own: `poolGradient` is it.
 */
export function pool(x: Tensor, grid: number, side: number, factor: number): Tensor {
  if (grid % side === 0) return windowMeans(x, grid, side, factor)[0];
  return tf.matMul(poolingMatrix(grid, side, factor), x);
}

/** What a gradient by the averages adds to `dx`, a gradient by the points. */
export function poolGradient(dx: Tensor, dMeans: Tensor, grid: number, side: number, factor: number): Tensor {
  if (grid % side === 0) return spread(dx, dMeans, grid, side, factor)[0];
  return dx.add(tf.matMul(poolingMatrix(grid, side, factor), dMeans, true, false));
}

const windowMeans = fused('window_means', (x: Tensor, grid: number, side: number, factor: number) => {
  const [heads, batch, , size] = x.shape as [number, number, number, number];
  const width = grid / side;
  const windows = x.reshape([heads * batch, side, width, side, width, size]);
  const means = windows.sum([2, 4]).mul(factor / width ** 2);
  return [asFactor(means.reshape([heads, batch, side * side, size]))] as const;
});

const spread = fused(
  'spread_over_windows',
  (dx: Tensor, dMeans: Tensor, grid: number, side: number, factor: number) => {
    const [heads, batch, , size] = dx.shape as [number, number, number, number];
    const width = grid / side;
    const windows = dx.reshape([heads * batch, side, width, side, width, size]);
    const means = dMeans.mul(factor / width ** 2).reshape([heads * batch, side, 1, side, 1, size]);
    return [asFactor(windows.add(means).reshape(dx.shape))] as const;
  },
  { elementwise: true },
);

function poolingMatrix(grid: number, side: number, factor: number): Tensor {
  const { rows, columns, data } = overGrid(adaptivePooling(grid, side));
  return tf.tensor4d(
    data.map((value) => value * factor),
    [1, 1, rows, columns],
  );
}
