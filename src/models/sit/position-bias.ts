import { halfPixelInterpolation, overGrid } from '../../nn/resampling.js';
import { type Tensor, type Tensors, tf } from '../../tensorflow/index.js';
import { biasTableSize } from './parameters.js';

/** Bias of mediators towards keys: [heads, 1, mediators, tokens]. */
export function mediatorBias(weights: Tensors, name: string, grid: number): Tensor {
  const table = weights[`${name}.mediatorBias.table`]!;
  const [heads, mediators] = table.shape as [number, number];
  const row = weights[`${name}.mediatorBias.row`]!.reshape([heads, mediators, grid, 1]);
  const column = weights[`${name}.mediatorBias.column`]!.reshape([heads, mediators, 1, grid]);
  return interpolate(table, grid)
    .add(row.add(column).reshape([heads, mediators, grid * grid]))
    .expandDims(1);
}

/** Bias of queries towards mediators: [heads, 1, tokens, mediators]. */
export function queryBias(weights: Tensors, name: string, grid: number): Tensor {
  const table = weights[`${name}.queryBias.table`]!;
  const [heads, mediators] = table.shape as [number, number];
  const row = weights[`${name}.queryBias.row`]!.reshape([heads, grid, 1, mediators]);
  const column = weights[`${name}.queryBias.column`]!.reshape([heads, 1, grid, mediators]);
  return interpolate(table, grid)
    .transpose([0, 2, 1])
    .add(row.add(column).reshape([heads, grid * grid, mediators]))
    .expandDims(1);
}

/** Resizes [heads, mediators, 7, 7] tables to the grid, bilinearly: [heads, mediators, grid²]. */
function interpolate(table: Tensor, grid: number): Tensor {
  const [heads, mediators] = table.shape as [number, number];
  const { rows, columns, data } = overGrid(halfPixelInterpolation(biasTableSize, grid));
  const flat = table.reshape([heads * mediators, columns]);
  return tf.matMul(flat, tf.tensor2d(data, [rows, columns]), false, true).reshape([heads, mediators, rows]);
}
