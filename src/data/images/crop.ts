import { availableParallelism } from 'node:os';
import type { Piscina } from 'piscina';
import { bicubic, halve, type Region, resample } from './resample.js';
import type { RgbImage } from './rgb-image.js';

/** An image and which part of it is wanted, at what size: the middle, where no numbers choose another. */
export interface CropTask {
  readonly image: RgbImage;
  readonly size: number;
  readonly numbers?: CropNumbers | undefined;
}

/** Pixels from which an image is worth the way to another thread. */
const worthTheWay = 2 ** 20;

let threads: Promise<Piscina> | undefined;

/**
 * The part of an image that a task asks for, `[size, size, 3]` bytes. Large images are resampled on threads of their
 * own, one a core, so that neither each other nor the event loop waits for them.
 */
export async function crop(task: CropTask): Promise<Uint8Array> {
  const { width, height } = task.image;
  if (width * height < worthTheWay || !isCompiled) return cropHere(task);
  threads ??= start();
  return (await threads).run(task) as Promise<Uint8Array>;
}

/** The same on this thread. */
export function cropHere({ image, size, numbers }: CropTask): Uint8Array {
  return numbers === undefined ? centreCrop(image, size) : randomCrop(image, size, numbers);
}

/** A thread cannot be started from TypeScript sources, as tests of modules run them. */
const isCompiled = import.meta.url.endsWith('.js');

async function start(): Promise<Piscina> {
  const { Piscina } = await import('piscina');
  return new Piscina({
    filename: new URL('crop-thread.js', import.meta.url).href,
    maxThreads: availableParallelism(),
    idleTimeout: 10_000,
  });
}

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
function fitShortSide(
  image: RgbImage,
  length: number,
  regionOf: (size: Pick<RgbImage, 'width' | 'height'>) => Region,
): Uint8Array {
  let halved = image;
  while (Math.min(halved.width, halved.height) >= 2 * length) {
    halved = halve(halved);
  }
  const scale = length / Math.min(halved.width, halved.height);
  const width = roundHalfToEven(halved.width * scale);
  const height = roundHalfToEven(halved.height * scale);
  const region = regionOf({ width, height });
  if (width === halved.width && height === halved.height) return cropTo(halved, region);
  return resample(halved, { width, height }, bicubic, region).data;
}

function cropTo({ data, width }: RgbImage, region: Region): Uint8Array {
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
