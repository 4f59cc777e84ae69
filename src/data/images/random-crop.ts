import { fitShortSide } from './centre-crop.js';
import type { RgbImage } from './rgb-image.js';

/** Three numbers in [0, 1) that choose a crop: its size, row and column. */
export type CropNumbers = readonly [size: number, row: number, column: number];

/** The smallest part of an image's short side that a crop shows. */
const minPart = 0.8;

/**
 * A square part of an image at a random place and of a random size, between 0.8 and 1 of the short side, brought to
 * `size` by `size` pixels.
 *
 * Source: `random_crop_arr` of openai/guided-diffusion.
 *
 * @returns `[size, size, 3]` bytes.
 */
export function randomCrop(image: RgbImage, size: number, [scale, row, column]: CropNumbers): Uint8Array {
  const largest = Math.ceil(size / minPart);
  const shortSide = size + Math.floor(scale * (largest - size + 1));
  return fitShortSide(image, shortSide, ({ width, height }) => ({
    left: Math.floor(column * (width - size + 1)),
    top: Math.floor(row * (height - size + 1)),
    width: size,
    height: size,
  }));
}
