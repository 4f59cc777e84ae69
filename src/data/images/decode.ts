import sharp, { type Sharp } from 'sharp';
import { mustBePath, UserError } from '../../base/errors.js';
import { asUserError } from '../../base/files.js';
import { readInput } from '../../base/input-file.js';
import { decodeBmp, type StoredImage } from './bmp.js';
import { formatOf, hasFourColours, isPlainYccTiff, readFormats } from './formats.js';
import { decodePnm } from './pnm.js';
import type { RgbImage } from './rgb-image.js';

/** An image takes 3 bytes a pixel, whatever its file has: a few kilobytes can announce billions. */
const mostPixels = 100e6;

// Each image is decoded once: keeping decoded ones, or files open, would only cost memory.
sharp.cache(false);

/** Treatment of what RGB of 8 bits does not have. */
export interface DecodeRules {
  /** Colour behind transparent pixels, as `#rrggbb`; `none` drops transparency, as Pillow's `convert('RGB')` does. */
  readonly background: string;
  /** `apply` turns and mirrors images as their EXIF orientation says. Default `ignore`. */
  readonly orientation?: 'ignore' | 'apply' | undefined;
}

/**
 * Reads an image file (its first frame or page) as RGB of 8 bits. Transparency is composited on the background; grey,
 * CMYK, palette and 16-bit images are converted as by Pillow's `convert('RGB')`, but grey of 16 bits, which it clips, is
 * scaled. As there, colour profiles are not applied, and neither is the EXIF orientation, but that of TIFF is.
 *
 * @throws UserError `image-unreadable`, or that of a file which cannot be read.
 */
export async function decodeImage(path: string, background: string): Promise<RgbImage> {
  mustBePath(path, 'An image');
  let file: Buffer;
  try {
    file = await readInput(path);
  } catch (error) {
    throw asUserError(error, path);
  }
  return decodeBytes(file, path, { background });
}

/**
 * Decodes the content of a file, wherever it came from, as `decodeImage` does.
 *
 * @param path what to call it in messages
 */
export async function decodeBytes(file: Buffer, path: string, rules: DecodeRules): Promise<RgbImage> {
  const { read, known } = formatOf(file);
  if (read === undefined)
    throw known === undefined
      ? unreadable(path, `its content is not ${readFormats}`)
      : unreadable(path, `its content is ${known}, not ${readFormats}`);
  try {
    if (read === 'BMP') return await fromStored(decodeBmp(file, mostPixels), rules);
    if (read === 'PPM') return await fromStored(decodePnm(file, mostPixels), rules);
    const image = sharp(file, { failOn: 'error', ignoreIcc: true, limitInputPixels: mostPixels });
    const isTiff = read === 'TIFF';
    if (isTiff && isPlainYccTiff(file))
      throw new Error('its colours are luma and chroma (YCbCr), which TIFF files have to pack as JPEG');
    // Pillow turns TIFF alone by itself.
    if (isTiff || rules.orientation === 'apply') image.autoOrient();
    const isCmyk = isTiff
      ? (await image.metadata()).space === 'cmyk'
      : read === 'JPEG' && hasFourColours(file);
    if (isCmyk) return await fromCmyk(image);
    // JPEG has no transparency; asking for it takes a twentieth of the time.
    return await toRgb(read === 'JPEG' ? image : opaque(image, rules));
  } catch (error) {
    throw unreadable(path, lastLine(error), error);
  }
}

function opaque(image: Sharp, { background }: DecodeRules): Sharp {
  return background === 'none' ? image.removeAlpha() : image.flatten({ background });
}

async function toRgb(image: Sharp): Promise<RgbImage> {
  const { data, info } = await image
    .toColourspace('srgb')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, data };
}

async function fromStored(
  { width, height, channels, data }: StoredImage,
  rules: DecodeRules,
): Promise<RgbImage> {
  return channels === 3
    ? { width, height, data }
    : toRgb(opaque(sharp(data, { raw: { width, height, channels } }), rules));
}

/**
 * Converts from CMYK without a profile.
 *
 * Source: Pillow, `src/libImaging/Convert.c`, `cmyk2rgb`.
 */
async function fromCmyk(image: Sharp): Promise<RgbImage> {
  const { data: inks, info } = await image
    .pipelineColourspace('cmyk')
    .toColourspace('cmyk')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  const data = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; to < data.length; from += channels, to += 3) {
    const white = 255 - inks[from + 3]!;
    for (let c = 0; c < 3; c++) {
      const product = inks[from + c]! * white + 128;
      data[to + c] = white - (((product >> 8) + product) >> 8);
    }
  }
  return { width, height, data };
}

function unreadable(path: string, problem: string, cause?: unknown): UserError {
  return new UserError({
    code: 'image-unreadable',
    message: `${path}: expected an image, but ${problem}.`,
    remedy: 'Replace or remove the file.',
    cause,
  });
}

function lastLine(error: unknown): string {
  const lines = (error instanceof Error ? error.message : String(error)).trim().split('\n');
  const said = lines.at(-1)!.trim().replace(/\.$/, '');
  // libvips finds no words where data ends early.
  return `it cannot be decoded: ${said === '' || said === 'Unknown error' ? 'its data is damaged, or ends early' : said}`;
}
