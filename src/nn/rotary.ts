import { asFactor, fused, type Tensor, tf } from '../tensorflow/index.js';
import { rotaryAngles } from './positions.js';

/**
 * Rotates pairs of neighbouring channels by angles that are proportional to a point's place in a square grid: the first
 * half of the channels by its row, the second by its column. Products of two rotated vectors depend on the distance of
 * their points alone. No gradient of its own: rotating it back is it.
 *
 * @param x [heads, batch, side², size]; `size` is a multiple of 4
 * @param places of the rows and of the columns of the grid, `[side]`
 * @param back whether to rotate the other way
 * Source: Su et al., "RoFormer", arXiv 2104.09864; on two axes as EVA-02's code and LightningDiT's have it.
 */
export function rotate(x: Tensor, places: readonly number[], back = false): Tensor {
  const size = x.shape[3]!;
  const angles = places.map((place) => rotaryAngles(place, size));
  const table = (value: (angle: number, i: number) => number) =>
    tf.tensor2d(
      angles.map((row) => row.map(value)),
      [places.length, size / 2],
    );
  const sign = back ? -1 : 1;
  const cos = table((angle) => Math.cos(angle));
  const sin = table((angle, i) => sign * (i % 2 === 0 ? -1 : 1) * Math.sin(angle));
  return rotated(x, cos, sin)[0];
}

const rotated = fused(
  'rotated',
  (x: Tensor, cos: Tensor, sin: Tensor) => {
    const swapped = x.reshape([-1, 2]).reverse(1).reshape(x.shape);
    return [asFactor(x.mul(overAxes(cos)).add(swapped.mul(overAxes(sin))))] as const;
  },
  { takesHalf: true },
);

/** A table of a grid's rows and columns [side, half] at its points: [side², 2 · half]. */
function overAxes(table: Tensor): Tensor {
  const [side, half] = table.shape as [number, number];
  const rows = table.reshape([side, 1, half]).tile([1, side, 1]);
  const columns = table.reshape([1, side, half]).tile([side, 1, 1]);
  return tf.concat([rows, columns], -1).reshape([side * side, 2 * half]);
}
