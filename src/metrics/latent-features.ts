import { argumentError } from '../base/errors.js';
import { floats, type HostTensor } from '../tensorflow/data-types.js';
import { type Rows, rowsOf } from './linear-algebra.js';

/**
 * The mean and the standard deviation of every channel of a latent over each cell of a grid: 2·grid²·channels numbers,
 * of which the means tell what is where, and the deviations how detailed it is.
 *
 * @param latents `[count, height, width, channels]`
 * @param grid cells in a row and in a column; no more than the latent has numbers
 */
export function latentFeatures(latents: HostTensor, grid: number): Rows {
  const [count, height, width, channels] = latents.shape as [number, number, number, number];
  if (grid > height || grid > width)
    throw argumentError(`${grid} cells cannot be told apart in latents of ${height} × ${width}.`);
  const data = floats(latents);
  const features = new Float32Array(count * grid ** 2 * channels * 2);
  const edge = (cell: number, extent: number) => Math.floor((cell * extent) / grid);
  let at = 0;
  for (let image = 0; image < count; image++)
    for (let row = 0; row < grid; row++)
      for (let column = 0; column < grid; column++)
        for (let channel = 0; channel < channels; channel++) {
          let number = 0;
          let sum = 0;
          let squares = 0;
          for (let y = edge(row, height); y < edge(row + 1, height); y++)
            for (let x = edge(column, width); x < edge(column + 1, width); x++) {
              const value = data[((image * height + y) * width + x) * channels + channel]!;
              number++;
              sum += value;
              squares += value * value;
            }
          const mean = sum / number;
          features[at++] = mean;
          features[at++] = Math.sqrt(Math.max(squares / number - mean * mean, 0));
        }
  return rowsOf(grid ** 2 * channels * 2, features);
}
