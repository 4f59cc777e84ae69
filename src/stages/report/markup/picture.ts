import sharp from 'sharp';
import { asUserError } from '../../../files/file-errors.js';
import { readInput } from '../../../files/input-file.js';

/** A picture that is part of the page itself. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  /** A `data:` URL. */
  readonly source: string;
}

/**
 * Reads a PNG file into the page. Up to `mostPixels` wide its bytes are taken as they are; wider ones are made smaller,
 * for a page should open quickly.
 *
 * @throws UserError for a file that cannot be read.
 */
export async function inlinePicture(path: string, mostPixels: number): Promise<Picture> {
  let file: Buffer;
  try {
    file = await readInput(path);
  } catch (error) {
    throw asUserError(error, path);
  }
  const { width, height } = await sharp(file).metadata();
  if (width <= mostPixels) return { width, height, source: dataUrl('png', file) };
  const { data, info } = await sharp(file)
    .resize({ width: mostPixels })
    .webp({ quality: 90 })
    .toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, source: dataUrl('webp', data) };
}

function dataUrl(format: string, bytes: Buffer): string {
  return `data:image/${format};base64,${bytes.toString('base64')}`;
}
