import sharp from 'sharp';
import { writeFileWhole, type FileSeal } from '../../files/output-file.js';
import type { RgbImage } from './rgb-image.js';

/** An image as the bytes of a PNG file. */
export function encodePng({ data, width, height }: RgbImage): Promise<Buffer> {
  return sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}

/** Writes an image as a PNG file, whole or not at all. */
export async function writePng(path: string, image: RgbImage): Promise<FileSeal> {
  return writeFileWhole(path, await encodePng(image));
}
