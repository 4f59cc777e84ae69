import { expect, it } from 'vitest';
import { Decoder } from '../../../src/stages/sample/decoder.js';
import { float32, type HostTensor } from '../../../src/tensorflow/index.js';
import type { Autoencoder } from '../../../src/weights/saved-autoencoder.js';

/** Latents of 2 pixels a side, each filled with its number. */
function latents(...numbers: number[]): HostTensor {
  return float32(
    [numbers.length, 2, 2, 4],
    Float32Array.from(numbers.flatMap((n) => Array<number>(16).fill(n))),
  );
}

/** Stands for an autoencoder whose images are 512 pixels a side, four of which are decoded at once; and what it was given. */
function recorder() {
  const given: number[][] = [];
  const decode = ({ shape, data }: HostTensor) => {
    const [count] = shape as [number];
    const numbers = Array.from({ length: count }, (_, i) => data[i * 16]!);
    given.push(numbers);
    const pixels = numbers.flatMap((n) => Array<number>(3).fill(n / 100));
    return Promise.resolve(float32([count, 1, 1, 3], Float32Array.from(pixels)));
  };
  const config = { channels: Array<number>(9).fill(8), patchSize: 1 };
  return { given, autoencoder: { config, decode } as unknown as Autoencoder };
}

it.each([
  { total: 2, given: [[0, 1]] },
  { total: 4, given: [[0, 1, 2, 3]] },
  {
    total: 6,
    given: [
      [0, 1, 2],
      [3, 4, 5],
    ],
  },
  {
    total: 7,
    given: [
      [0, 1, 2, 3],
      [4, 5, 6, 6],
    ],
  },
])(
  '$total are decoded in parts as large as they may be, with as little as possible for nothing',
  async (row) => {
    const { given, autoencoder } = recorder();
    const numbers = Array.from({ length: row.total }, (_, i) => i);
    const images = await new Decoder(autoencoder, row.total).decode(latents(...numbers));
    expect(given).toEqual(row.given);
    // (n / 100 + 1) / 2 of 255.
    expect(images.map(({ data }) => data[0])).toEqual(
      numbers.map((n) => Math.round(((n / 100 + 1) * 255) / 2)),
    );
  },
);

it('those that are missing of a batch are decoded as many at once as all of them would be', async () => {
  const { given, autoencoder } = recorder();
  const images = await new Decoder(autoencoder, 6).decode(latents(3, 5));
  expect(given).toEqual([[3, 5, 5]]);
  expect(images).toHaveLength(2);
});
