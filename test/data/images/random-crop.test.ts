import { expect, it } from 'vitest';
import { centreCrop, type CropNumbers, randomCrop } from '../../../src/data/images/crop.js';

/** 24 by 12 pixels whose red is the column and whose green is the row, ten a step. */
const image = {
  width: 24,
  height: 12,
  data: Uint8Array.from({ length: 24 * 12 * 3 }, (_, i) => {
    const [pixel, channel] = [Math.floor(i / 3), i % 3];
    return [(pixel % 24) * 10, Math.floor(pixel / 24) * 10, 0][channel]!;
  }),
};

/** Column and row of the first and of the last pixel. */
function corners(numbers: CropNumbers, size = 12): number[] {
  const data = randomCrop(image, size, numbers);
  return [data[0]!, data[1]!, data.at(-3)!, data.at(-2)!].map((value) => value / 10);
}

it('takes a square of the whole short side where the size is the smallest, at any column', () => {
  expect(corners([0, 0, 0])).toEqual([0, 0, 11, 11]);
  expect(corners([0, 0, 0.999])).toEqual([12, 0, 23, 11]);
  expect(randomCrop(image, 12, [0, 0.5, 0.5])).toEqual(centreCrop(image, 12));
});

it('takes a part of the short side where the size is larger', () => {
  // The image is enlarged to a short side of ⌈12 / 0.8⌉ = 15, so that the square shows 0.8 of it.
  const [left, top, right, bottom] = corners([0.999, 0.999, 0]);
  expect(bottom! - top!).toBeCloseTo((12 * 11) / 15, 0);
  expect(right! - left!).toBeCloseTo((12 * 11) / 15, 0);
  expect([left, bottom]).toEqual([0, 11]);
});
