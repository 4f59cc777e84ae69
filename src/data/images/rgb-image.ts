/** An image in memory: `[height, width, 3]` bytes, red, green, blue. */
export interface RgbImage {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}
