import { asFactor, fused, type Tensor, tf } from '../tensorflow/index.js';
import type { KeptTokens } from './kept-tokens.js';
import { rotaryAngles } from './positions.js';

/** Places of the rows and of the columns of a square grid, `[side]`; of each sample's points some alone, where given. */
export interface RotaryPlaces {
  readonly sides: readonly number[];
  readonly kept?: KeptTokens | undefined;
}

/**
 * Rotates pairs of neighbouring channels by angles that are proportional to a point's place in a square grid: the first
 * half of the channels by its row, the second by its column. Products of two rotated vectors depend on the distance of
 * their points alone. No gradient of its own: rotating it back is it.
 *
 * @param x [heads, batch, points, size]; `size` is a multiple of 4
 * @param back whether to rotate the other way
 * Source: Su et al., "RoFormer", arXiv 2104.09864; on two axes as EVA-02's code and LightningDiT's have it.
 */
export function rotate(x: Tensor, { sides, kept }: RotaryPlaces, back = false): Tensor {
  const size = x.shape[3]!;
  const angles = sides.map((place) => rotaryAngles(place, size));
  const table = (value: (angle: number, i: number) => number) => {
    const ofSides = tf.tensor2d(
      angles.map((row) => row.map(value)),
      [sides.length, size / 2],
    );
    return kept === undefined ? ofSides : kept.rows(overAxes(ofSides));
  };
  const sign = back ? -1 : 1;
  const cos = table((angle) => Math.cos(angle));
  const sin = table((angle, i) => sign * (i % 2 === 0 ? -1 : 1) * Math.sin(angle));
  return rotated(x, cos, sin)[0];
}

const rotated = fused(
  'rotated',
  (x: Tensor, cos: Tensor, sin: Tensor) => {
    const swapped = x.reshape([-1, 2]).reverse(1).reshape(x.shape);
    const [cosines, sines] = [cos, sin].map((table) => (table.rank === 2 ? overAxes(table) : table));
    return [asFactor(x.mul(cosines!).add(swapped.mul(sines!)))] as const;
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
