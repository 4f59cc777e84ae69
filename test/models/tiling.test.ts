import { describe, expect, it } from 'vitest';
import { computeTiled, decodingGrid, encodingGrid } from '../../src/models/autoencoder-kl/tiling.js';
import { float32, type HostTensor } from '../../src/tensorflow/index.js';

/** A latent of one channel; its value at a pixel tells the place. */
function ramp(height: number, width: number): HostTensor {
  const data = Float32Array.from(
    { length: height * width },
    (_, i) => Math.floor(i / width) + (i % width) / 1000,
  );
  return float32([1, height, width, 1], data);
}

/** "Decodes" by repeating each pixel `scale` times along both sides; adds what `offset` gives for the n-th tile. */
function repeating(scale: number, offset: (tile: number) => number = () => 0) {
  let tiles = 0;
  return (part: HostTensor) => {
    const [, height, width] = part.shape as [number, number, number];
    const add = offset(tiles++);
    const data = Float32Array.from({ length: height * width * scale ** 2 }, (_, i) => {
      const [y, x] = [Math.floor(i / (width * scale)), i % (width * scale)];
      return part.data[Math.floor(y / scale) * width + Math.floor(x / scale)]! + add;
    });
    return Promise.resolve({ image: float32([1, height * scale, width * scale, 1], data) });
  };
}

describe('tiles', () => {
  it.each([
    [16, 16],
    [13, 9],
    [8, 30],
    [25, 8],
  ])('of %i × %i latents give the whole, where every tile agrees with it', async (height, width) => {
    const input = ramp(height, width);
    const { image } = await computeTiled(input, decodingGrid(8, 2), repeating(2));
    const { image: expected } = await repeating(2)(input);
    expect(image.shape).toEqual(expected.shape);
    expect(image).toBeAllclose(expected);
  });

  it('fade in over a quarter of their side, linearly', async () => {
    // Zeros; the second of two tiles in a row is one brighter. Tiles of 8 every 6; 4 of 16 decoded pixels are shared.
    const input = float32([1, 8, 14, 1], new Float32Array(8 * 14));
    const { image } = await computeTiled(
      input,
      decodingGrid(8, 2),
      repeating(2, (tile) => tile),
    );
    const row = Array.from(image.data.subarray(28, 56));
    const fade = (start: number) => [0, 0.25, 0.5, 0.75].map((part) => start + part);
    expect(row).toEqual([...Array<number>(12).fill(0), ...fade(0), ...Array<number>(8).fill(1), ...fade(1)]);
  });

  it('halve images as they double latents', async () => {
    const halving = (part: HostTensor) => {
      const [, height, width] = part.shape as [number, number, number];
      const data = Float32Array.from({ length: (height / 2) * (width / 2) }, (_, i) => {
        const [y, x] = [Math.floor(i / (width / 2)), i % (width / 2)];
        return part.data[2 * y * width + 2 * x]!;
      });
      return Promise.resolve({ mean: float32([1, height / 2, width / 2, 1], data) });
    };
    const input = ramp(28, 20);
    const { mean } = await computeTiled(input, encodingGrid(8, 2), halving);
    expect(mean).toBeAllclose((await halving(input)).mean);
  });
});
