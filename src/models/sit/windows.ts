import type { KeptTokens } from '../../nn/kept-tokens.js';
import { adaptivePooling, overGrid } from '../../nn/resampling.js';
import { asFactor, fused, type Tensor, tf } from '../../tensorflow/index.js';

/** Places of side × side mediators: the middle of each adaptive window's. */
export function windowCentres(places: readonly number[], side: number): number[] {
  const { columns, data } = adaptivePooling(places.length, side);
  return Array.from({ length: side }, (_, row) =>
    places.reduce((sum, place, column) => sum + data[row * columns + column]! * place, 0),
  );
}

/**
 * Averages of a square grid of points over side × side adaptive windows, times `factor`:
 * [heads, batch, points, size] → [heads, batch, side², size]. No gradient of its own: `poolGradient` is it.
 *
 * @param shares of the points in the windows' averages, [1, batch, points, side²], where not all points are there
 */
export function pool(x: Tensor, grid: number, side: number, factor: number, shares?: Tensor): Tensor {
  if (shares !== undefined) return tf.matMul(shares, x, true, false).mul(factor);
  if (grid % side === 0) return windowMeans(x, grid, side, factor)[0];
  return tf.matMul(poolingMatrix(grid, side, factor), x);
}

/** Contribution of a gradient by the averages to `dx`, a gradient by the points. */
export function poolGradient(
  dx: Tensor,
  dMeans: Tensor,
  grid: number,
  side: number,
  factor: number,
  shares?: Tensor,
): Tensor {
  if (shares !== undefined) return dx.add(tf.matMul(shares, dMeans).mul(factor));
  if (grid % side === 0) return spread(dx, dMeans, grid, side, factor)[0];
  return dx.add(tf.matMul(poolingMatrix(grid, side, factor), dMeans, true, false));
}

/** Added to a score that no softmax is to give any weight. */
const unreadable = -1e9;

/**
 * Windows of which some tokens are there: shares of these in the averages, [1, batch, tokens, side²], and what keeps
 * windows without a token from being read, [1, batch, 1, side²].
 */
export function keptWindows(
  kept: KeptTokens,
  grid: number,
  side: number,
): { shares: Tensor; unread: Tensor } {
  const all = poolingMatrix(grid, side, 1)
    .reshape([side * side, grid * grid])
    .transpose();
  const shares = kept.rows(all).expandDims(0);
  const sums = shares.sum(2, true);
  const isEmpty = sums.equal(0).cast('float32');
  return { shares: shares.div(sums.add(isEmpty)), unread: isEmpty.mul(unreadable) };
}

const windowMeans = fused(
  'window_means',
  (x: Tensor, grid: number, side: number, factor: number) => {
    const [heads, batch, , size] = x.shape as [number, number, number, number];
    const width = grid / side;
    const windows = x.reshape([heads * batch, side, width, side, width, size]);
    const means = windows.sum([2, 4]).mul(factor / width ** 2);
    return [asFactor(means.reshape([heads, batch, side * side, size]))] as const;
  },
  { takesHalf: true },
);

const spread = fused(
  'spread_over_windows',
  (dx: Tensor, dMeans: Tensor, grid: number, side: number, factor: number) => {
    const [heads, batch, , size] = dx.shape as [number, number, number, number];
    const width = grid / side;
    const windows = dx.reshape([heads * batch, side, width, side, width, size]);
    const means = dMeans.mul(factor / width ** 2).reshape([heads * batch, side, 1, side, 1, size]);
    return [asFactor(windows.add(means).reshape(dx.shape))] as const;
  },
  { takesHalf: true },
);

function poolingMatrix(grid: number, side: number, factor: number): Tensor {
  const { rows, columns, data } = overGrid(adaptivePooling(grid, side));
  return tf.tensor4d(
    data.map((value) => value * factor),
    [1, 1, rows, columns],
  );
}
