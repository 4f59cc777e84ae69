import sharp from 'sharp';
import { UserError } from '../../base/errors.js';
import { asUserError } from '../../base/files.js';
import { readInput } from '../../base/input-file.js';
import type { RgbImage } from './rgb-image.js';

/** An image takes 3 bytes a pixel, whatever its file has: a few kilobytes can announce billions. */
const mostPixels = 100e6;

// Each image is decoded once: keeping decoded ones, or files open, would only cost memory.
sharp.cache(false);

/**
 * Reads a PNG, JPEG, WebP or GIF file (its first frame) as RGB of 8 bits. Transparency is composited on the background;
 * grey, CMYK, palette and 16-bit images are converted. As in Pillow's `convert('RGB')`, colour profiles and the EXIF
 * orientation are not applied.
 *
 * @throws UserError `image-unreadable`, or that of a file which cannot be read.
 */
export async function decodeImage(path: string, background: string): Promise<RgbImage> {
  let file: Buffer;
  try {
    file = await readInput(path);
  } catch (error) {
    throw asUserError(error, path);
  }
  return decodeBytes(file, path, background);
}

/**
 * Decodes the content of a file, wherever it came from, as `decodeImage` does.
 *
 * @param path what to call it in messages
 */
export async function decodeBytes(file: Buffer, path: string, background: string): Promise<RgbImage> {
  if (!isImage(file)) throw unreadable(path, 'its content is not PNG, JPEG, WebP or GIF');
  try {
    const { data, info } = await sharp(file, {
      failOn: 'error',
      ignoreIcc: true,
      limitInputPixels: mostPixels,
    })
      .flatten({ background })
      .toColourspace('srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    return { width: info.width, height: info.height, data };
  } catch (error) {
    throw unreadable(path, lastLine(error), error);
  }
}

/** First bytes of files of each format, as Latin-1. */
const beginnings = ['\x89PNG\r\n\x1a\n', '\xff\xd8\xff', 'GIF87a', 'GIF89a'];

function isImage(file: Buffer): boolean {
  const beginning = file.toString('latin1', 0, 12);
  const isWebp = beginning.startsWith('RIFF') && beginning.endsWith('WEBP');
  return isWebp || beginnings.some((start) => beginning.startsWith(start));
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
  return `it cannot be decoded: ${lines.at(-1)!.trim().replace(/\.$/, '')}`;
}
