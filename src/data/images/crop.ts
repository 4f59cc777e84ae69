import { availableParallelism } from 'node:os';
import type { Piscina } from 'piscina';
import { readWholeSync } from '../../base/files.js';
import { sha256Of } from '../../base/input-file.js';
import { reusedMemory } from '../../base/room.js';
import { type DecodedColumns, decodeJpeg } from '../../tensorflow/decode-jpeg.js';
import { type EagerContext, eagerContext } from '../../tensorflow/eager-binding.js';
import { muteLibjpeg } from '../../tensorflow/native-log.js';
import { isPlainJpeg, jpegFrame } from './formats.js';
import { bicubic, halve, resample, resampleWeights, sourceRange } from './resample.js';
import type { Region, Size } from './resample.js';
import { resampleMemory } from './resample-simd.js';
import type { ImageStrip, RgbImage } from './rgb-image.js';

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
  const unmute = muteLibjpeg();
  let isDone: boolean;
  try {
    isDone = threads ? ((await (await threads).run(task, { transferList })) as boolean) : cropJpegHere(task);
  } finally {
    unmute();
  }
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
  const columns = columnsOfPart(content, part);
  const decoded = decodeJpeg(context, content, resampleMemory, columns);
  if (decoded === undefined) return false;
  cropHere({ image: { ...decoded, ...columns }, ...part }, new Uint8Array(out));
  return true;
}

/** Pixels of a block of JPEG, with its colours at half the size. */
const blockSide = 16;
/** Pixels beside a column of which its colours are made, and more. */
const colourMargin = 8;

/**
 * Columns of which a part of a JPEG file is made, whole blocks from the left; nothing where it needs all of them, or that
 * is not known before it is decoded.
 */
function columnsOfPart(file: Buffer, { size, numbers }: Part): DecodedColumns | undefined {
  const frame = jpegFrame(file);
  if (frame === undefined) return undefined;
  const { width: wholeWidth, height, isBaseline } = frame;
  const { shortSide, regionOf } = choice(size, numbers);
  const least = Math.min(wholeWidth, height);
  if (!isBaseline || least === 0 || least >= 2 * shortSide) return undefined;
  const resized = withShortSide({ width: wholeWidth, height }, shortSide);
  const region = regionOf(resized);
  const [first, end] = sourceRange(
    resampleWeights(wholeWidth, resized.width, bicubic, region.left, region.width),
  );
  const left = Math.floor(Math.max(0, first - colourMargin) / blockSide) * blockSide;
  const width = Math.min(wholeWidth, end + colourMargin) - left;
  return width === wholeWidth ? undefined : { left, width, height, wholeWidth };
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
export function cropHere({ image, size, numbers }: CropTask, out?: Uint8Array): Uint8Array {
  return fitShortSide(image, choice(size, numbers), out);
}

/** A thread cannot be started from TypeScript sources, as tests of modules run them. */
const isCompiled = import.meta.url.endsWith('.js');

/**
 * Most threads: for each image, the one that hands out files and takes results is busy for 0.05 ms, those that crop for 0.8.
 */
const mostThreads = 16;

async function start(): Promise<Piscina> {
  const { Piscina } = await import('piscina');
  return new Piscina({
    filename: new URL('crop-thread.js', import.meta.url).href,
    maxThreads: Math.min(availableParallelism(), mostThreads),
    idleTimeout: 10_000,
  });
}

/** Length that an image's short side is brought to, and the part of the result that is wanted. */
interface Choice {
  readonly shortSide: number;
  readonly regionOf: (resized: Size) => Region;
}

function choice(size: number, numbers: CropNumbers | undefined): Choice {
  return numbers === undefined ? middle(size) : atRandom(size, numbers);
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
  return fitShortSide(image, middle(size));
}

function middle(size: number): Choice {
  return {
    shortSide: size,
    regionOf: ({ width, height }) => ({
      left: (width - size) >> 1,
      top: (height - size) >> 1,
      width: size,
      height: size,
    }),
  };
}

/** Brings an image's short side to a length, by halving and then by bicubic resampling, and takes a region of the result. */
function fitShortSide(image: ImageStrip, { shortSide, regionOf }: Choice, out?: Uint8Array): Uint8Array {
  let halved = image;
  while (Math.min(wholeWidth(halved), halved.height) >= 2 * shortSide) halved = halve(halved);
  const resized = withShortSide({ width: wholeWidth(halved), height: halved.height }, shortSide);
  const region = regionOf(resized);
  if (resized.width === wholeWidth(halved) && resized.height === halved.height)
    return cropTo(halved, region, out);
  return resample(halved, resized, bicubic, region, out).data;
}

function wholeWidth({ width, wholeWidth = width }: ImageStrip): number {
  return wholeWidth;
}

function withShortSide({ width, height }: Size, shortSide: number): Size {
  const scale = shortSide / Math.min(width, height);
  return { width: roundHalfToEven(width * scale), height: roundHalfToEven(height * scale) };
}

function cropTo(
  { data, width, left = 0 }: ImageStrip,
  region: Region,
  out: Uint8Array = new Uint8Array(region.width * region.height * 3),
): Uint8Array {
  for (let y = 0; y < region.height; y++) {
    const from = ((region.top + y) * width + region.left - left) * 3;
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
export function randomCrop(image: RgbImage, size: number, numbers: CropNumbers): Uint8Array {
  return fitShortSide(image, atRandom(size, numbers));
}

function atRandom(size: number, [scale, row, column]: CropNumbers): Choice {
  const largest = Math.ceil(size / minPart);
  return {
    shortSide: size + Math.floor(scale * (largest - size + 1)),
    regionOf: ({ width, height }) => ({
      left: Math.floor(column * (width - size + 1)),
      top: Math.floor(row * (height - size + 1)),
      width: size,
      height: size,
    }),
  };
}
