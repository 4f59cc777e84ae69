import { argumentError, mustBePath } from '../../base/errors.js';
import { openFile } from '../../base/files.js';
import { type FileSeal, writeFileWhole } from '../../base/output-file.js';
import type { RgbImage } from './rgb-image.js';

import sharp from 'sharp';

/** An image as the bytes of a PNG file. */
export function encodePng({ data, width, height }: RgbImage): Promise<Buffer> {
  if (data.length !== width * height * 3)
    throw argumentError(
      `An image of ${width} × ${height} pixels has ${width * height * 3} bytes; ${data.length} were found.`,
    );
  return sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}

/** Writes an image as a PNG file, whole or not at all. */
export async function writePng(path: string, image: RgbImage): Promise<FileSeal> {
  mustBePath(path, 'A PNG file');
  return writeFileWhole(path, await encodePng(image));
}

const signature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');
/** The chunk that ends every PNG: no data, its name, its checksum. */
const end = Buffer.from('\0\0\0\0IEND\xaeB`\x82', 'latin1');

/** True when a PNG file is there from its first byte to its last, judged by its ends and without decoding it. */
export async function isWholePng(path: string): Promise<boolean> {
  const file = await openFile(path).catch(() => undefined);
  if (file === undefined) return false;
  try {
    const { size } = await file.stat();
    if (size < signature.length + end.length) return false;
    const [head, tail] = [Buffer.alloc(signature.length), Buffer.alloc(end.length)];
    await file.read(head, 0, head.length, 0);
    await file.read(tail, 0, tail.length, size - tail.length);
    return head.equals(signature) && tail.equals(end);
  } finally {
    await file.close();
  }
}

interface GridOptions {
  readonly columns: number;
  /** Pixels around and between the images. Default 2. */
  readonly padding?: number;
  /** Whole number by which each image is enlarged, pixels staying sharp. Default 1. */
  readonly scale?: number;
  /** Grey level between the images, 0 to 255. Default 255. */
  readonly background?: number;
}

/** Pixels around and between the images of a grid. */
const gridPadding = 2;

/** Columns of a grid that is about as wide as high. */
export const gridColumns = (count: number): number => Math.ceil(Math.sqrt(count));

/** Lays images of one size out row by row; the last row may have free places. */
export function imageGrid(images: readonly RgbImage[], options: GridOptions): RgbImage {
  const { columns, padding = gridPadding, scale = 1, background = 255 } = options;
  if (!(Number.isInteger(columns) && columns >= 1))
    throw argumentError(`A grid has a whole number of columns from 1 on; ${columns} was found.`);
  const first = images[0];
  if (!first) throw argumentError('A grid needs at least one image.');
  const [tileWidth, tileHeight] = [first.width * scale + padding, first.height * scale + padding];
  const width = columns * tileWidth + padding;
  const height = Math.ceil(images.length / columns) * tileHeight + padding;
  const data = new Uint8Array(width * height * 3).fill(background);
  images.forEach((image, i) => {
    if (image.width !== first.width || image.height !== first.height) {
      throw argumentError(`Image ${i} of a grid has another size than the first.`);
    }
    const left = padding + (i % columns) * tileWidth;
    const top = padding + Math.floor(i / columns) * tileHeight;
    paste(image, scale, data, width, left, top);
  });
  return { width, height, data };
}

/** A rectangle of an image, in pixels. */
interface Place {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** The part of an image at a place. */
export function cropped({ data, width }: RgbImage, place: Place): RgbImage {
  const part = new Uint8Array(place.width * place.height * 3);
  for (let y = 0; y < place.height; y++) {
    const start = ((place.top + y) * width + place.left) * 3;
    part.set(data.subarray(start, start + place.width * 3), y * place.width * 3);
  }
  return { data: part, width: place.width, height: place.height };
}

/** Place of the i-th image in a grid of that width in pixels, as `imageGrid` lays it out by default. */
export function gridTile(width: number, columns: number, i: number): Place {
  const size = Math.round((width - gridPadding) / columns) - gridPadding;
  const place = (at: number): number => gridPadding + at * (size + gridPadding);
  return { left: place(i % columns), top: place(Math.floor(i / columns)), width: size, height: size };
}

function paste(
  image: RgbImage,
  scale: number,
  out: Uint8Array,
  outWidth: number,
  left: number,
  top: number,
): void {
  for (let y = 0; y < image.height * scale; y++) {
    for (let x = 0; x < image.width * scale; x++) {
      const from = (Math.floor(y / scale) * image.width + Math.floor(x / scale)) * 3;
      const to = ((top + y) * outWidth + left + x) * 3;
      out[to] = image.data[from]!;
      out[to + 1] = image.data[from + 1]!;
      out[to + 2] = image.data[from + 2]!;
    }
  }
}
