import { availableParallelism } from 'node:os';
import type { Piscina } from 'piscina';
import { readWholeSync } from '../../base/files.js';
import { sha256Of } from '../../base/input-file.js';
import { reusedMemory } from '../../base/room.js';
import { decodeJpeg } from '../../tensorflow/decode-jpeg.js';
import { type EagerContext, eagerContext } from '../../tensorflow/eager-binding.js';
import { isPlainJpeg } from './formats.js';
import { bicubic, halve, type Region, resample } from './resample.js';
import { resampleMemory } from './resample-simd.js';
import type { RgbImage } from './rgb-image.js';

/** Part of an image that is wanted, and at what size: the middle, where no numbers choose another. */
interface Part {
  readonly size: number;
  readonly numbers?: CropNumbers | undefined;
}

/** An image of which a part is wanted. */
export interface CropTask extends Part {
  readonly image: RgbImage;
}

/** A JPEG file of which a part is wanted. */
interface JpegTask extends Part {
  /** Its bytes, with all the memory that they lie in, or its path. */
  readonly file: Uint8Array | string;
  /** SHA-256 that its bytes must have, where that is known. */
  readonly hash?: string | undefined;
  /** Memory for the result. */
  readonly out: SharedArrayBuffer;
  readonly context: EagerContext;
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

/** Memory that threads write into, for the next result. Garbage of that size would make Node collect it all the time. */
const free: SharedArrayBuffer[] = [];

/**
 * Calls `use` with the same of a JPEG file, read and decoded on those threads too. The bytes are others after that.
 *
 * @param file its path, or its bytes
 * @returns nothing where that cannot be done: TensorFlow is not at work in this process, or cannot decode the file, or
 *   the file has other bytes than the hash says, or four colours.
 */
export async function withJpeg<T>(
  file: Uint8Array | string,
  part: Part & Pick<JpegTask, 'hash'>,
  use: (bytes: Uint8Array) => T,
): Promise<{ readonly value: T } | undefined> {
  const context = eagerContext();
  if (context === undefined) return undefined;
  const bytes = part.size ** 2 * 3;
  const last = free.pop();
  const out = last?.byteLength === bytes ? last : new SharedArrayBuffer(bytes);
  // What is handed over goes with all the memory that it lies in.
  const own = typeof file === 'string' ? file : new Uint8Array(file);
  const task: JpegTask = { ...part, file: own, out, context };
  const transferList = typeof own === 'string' ? [] : [own.buffer];
  if (isCompiled) threads ??= start();
  const isDone = threads
    ? ((await (await threads).run(task, { transferList })) as boolean)
    : cropJpegHere(task);
  const result = isDone ? { value: use(new Uint8Array(out)) } : undefined;
  free.push(out);
  return result;
}

/** Writes the part of a JPEG file into the task's memory, on this thread; returns false where that cannot be done. */
export function cropJpegHere({ file, hash, context, out, ...part }: JpegTask): boolean {
  const content =
    typeof file === 'string' ? contentOf(file) : Buffer.from(file.buffer, file.byteOffset, file.length);
  if (content === undefined || !isPlainJpeg(content)) return false;
  if (hash !== undefined && sha256Of(content) !== hash) return false;
  const image = decodeJpeg(context, content, resampleMemory);
  if (image === undefined) return false;
  new Uint8Array(out).set(cropHere({ image, ...part }));
  return true;
}

const fileMemory = reusedMemory(2 ** 22);

function contentOf(path: string): Buffer | undefined {
  try {
    return readWholeSync(path, fileMemory);
  } catch {
    // Whoever takes the other way is told why.
    return undefined;
  }
}

/** The same as `crop` on this thread. */
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
