import type { RgbImage } from './rgb-image.js';

export interface GridOptions {
  readonly columns: number;
  /** Pixels around and between the images. Default 2. */
  readonly padding?: number;
  /** Whole number by which each image is enlarged, pixels staying sharp. Default 1. */
  readonly scale?: number;
  /** Grey level between the images, 0 to 255. Default 255. */
  readonly background?: number;
}

/** Lays images of one size out row by row; the last row may have free places. */
export function imageGrid(images: readonly RgbImage[], options: GridOptions): RgbImage {
  const { columns, padding = 2, scale = 1, background = 255 } = options;
  const first = images[0];
  if (!first) throw new RangeError('a grid needs at least one image');
  const [tileWidth, tileHeight] = [first.width * scale + padding, first.height * scale + padding];
  const width = columns * tileWidth + padding;
  const height = Math.ceil(images.length / columns) * tileHeight + padding;
  const data = new Uint8Array(width * height * 3).fill(background);
  images.forEach((image, i) => {
    if (image.width !== first.width || image.height !== first.height) {
      throw new RangeError(`image ${i} of a grid has another size than the first`);
    }
    const left = padding + (i % columns) * tileWidth;
    const top = padding + Math.floor(i / columns) * tileHeight;
    paste(image, scale, data, width, left, top);
  });
  return { width, height, data };
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
