import { resample, type Region } from './resample.js';
import { bicubic, box } from './resample-weights.js';
import type { RgbImage } from './rgb-image.js';

/**
 * Brings an image to `size` by `size` pixels as ADM, DiT and SiT do: halved with a box filter while its short side is
 * at least twice the size, then resized (bicubic) such that the short side fits, then cropped in the middle.
 *
 * Source: `center_crop_arr` of openai/guided-diffusion with Pillow's filters; equal to it in every bit.
 *
 * @returns `[size, size, 3]` bytes.
 */
export function centreCrop(image: RgbImage, size: number): Uint8Array {
  return fitShortSide(image, size, ({ width, height }) => ({
    left: (width - size) >> 1,
    top: (height - size) >> 1,
    width: size,
    height: size,
  }));
}

/**
 * Brings an image's short side to a length, by halving and then by bicubic resampling, and takes a region of the result.
 *
 * @param regionOf the region, within the width and height of the resized image
 */
export function fitShortSide(
  image: RgbImage,
  length: number,
  regionOf: (size: Pick<RgbImage, 'width' | 'height'>) => Region,
): Uint8Array {
  let halved = image;
  while (Math.min(halved.width, halved.height) >= 2 * length) {
    halved = resample(halved, { width: halved.width >> 1, height: halved.height >> 1 }, box);
  }
  const scale = length / Math.min(halved.width, halved.height);
  const width = roundHalfToEven(halved.width * scale);
  const height = roundHalfToEven(halved.height * scale);
  const region = regionOf({ width, height });
  if (width === halved.width && height === halved.height) return crop(halved, region);
  return resample(halved, { width, height }, bicubic, region).data;
}

function crop({ data, width }: RgbImage, region: Region): Uint8Array {
  const out = new Uint8Array(region.width * region.height * 3);
  for (let y = 0; y < region.height; y++) {
    const from = ((region.top + y) * width + region.left) * 3;
    out.set(data.subarray(from, from + region.width * 3), y * region.width * 3);
  }
  return out;
}

/** Rounds as Python does. */
function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
