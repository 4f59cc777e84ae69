/** An image in memory: `[height, width, 3]` bytes, red, green, blue. */
export interface RgbImage {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** An image, or some of its columns. */
export interface ImageStrip extends RgbImage {
  /** First column, where that is not the image's. */
  readonly left?: number;
  /** Columns of the whole image, where this has not all. */
  readonly wholeWidth?: number;
}

/** Bytes of memory that decoding takes, however many images are wanted at once: more where a single image needs more. */
export const decodingBytes = 2 ** 28;

/** Bytes of prepared images that are kept in memory, where each is wanted again. */
export const keptBytes = 2 ** 30;

/** Conversions between bytes of images, 0 to 255, and pixels as networks see them, -1 to 1. */

const half = 127.5;

/** Writes an image's bytes as pixels into `out`, from `offset` on; mirrored left to right where asked. */
export function toPixels(
  bytes: Uint8Array,
  size: number,
  out: Float32Array,
  offset: number,
  mirrored = false,
): void {
  if (!mirrored) {
    for (let i = 0; i < bytes.length; i++) out[offset + i] = bytes[i]! / half - 1;
    return;
  }
  for (let y = 0; y < size; y++)
    for (let x = 0; x < size; x++)
      for (let c = 0; c < 3; c++)
        out[offset + (y * size + x) * 3 + c] = bytes[(y * size + size - 1 - x) * 3 + c]! / half - 1;
}

/** Bytes as pixels. */
export const pixelsOf = (bytes: Uint8Array): Float32Array =>
  Float32Array.from(bytes, (byte) => byte / half - 1);

/** Pixels as bytes, out-of-range ones clipped: round(127.5·x + 127.5), as the reference's `127.5 * x + 128` floored. */
export function toBytes(pixels: Float32Array): Uint8Array {
  return Uint8Array.from(pixels, (pixel) => Math.min(255, Math.max(0, Math.floor(pixel * half + 128))));
}
