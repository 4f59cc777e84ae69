import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeImage } from '../../src/data/images/decode.js';
import { EfficientNet } from '../../src/metrics/efficientnet.js';
import { startEngine } from '../../src/tensorflow/index.js';
import { obtainNetwork } from '../../src/tensorflow/install/feature-network.js';

const fixtures = new URL('../fixtures/efficientnet/', import.meta.url).pathname;

/** What `make.py` there computed with PyTorch. */
interface Expected {
  readonly whole: Outputs;
  readonly small: Outputs;
  readonly photographs: Readonly<Record<string, number>>;
  readonly places: { readonly shape: readonly number[]; readonly every97: readonly number[] };
}
interface Outputs {
  readonly logits: readonly (readonly number[])[];
  readonly pooled: readonly (readonly number[])[];
  readonly top: readonly number[];
}

let expected: Expected;
let network: EfficientNet;

beforeAll(async () => {
  expected = JSON.parse(await readFile(join(fixtures, 'expected.json'), 'utf8')) as Expected;
  await startEngine({});
  network = await EfficientNet.open(await obtainNetwork(), {});
}, 300_000);
afterAll(() => network.close());

const pattern = (count: number, side: number) =>
  Uint8Array.from({ length: count * side * side * 3 }, (_, i) => Math.imul(i, 2654435761) >>> 24);

const indexOfLargest = (values: ArrayLike<number>) =>
  Array.from(values).reduce((best, value, i, all) => (value > all[best]! ? i : best), 0);

describe('EfficientNet-Lite0', () => {
  it.each([
    ['of its own size', 'whole', 2, 224],
    ['that are resized as Pillow does', 'small', 3, 32],
  ] as const)('computes what PyTorch does of images %s', async (_, name, count, side) => {
    const { pooled, logits } = await network.run([count, side, side, 3], pattern(count, side));
    const every = (data: ArrayLike<number>, width: number, step: number) =>
      Array.from({ length: count }, (__, i) =>
        Array.from({ length: Math.ceil(width / step) }, (___, k) => data[i * width + k * step]!),
      );
    const found = { pooled: every(pooled.data, 1280, 64), logits: every(logits.data, 1000, 50) };
    for (const key of ['pooled', 'logits'] as const)
      // Sums of some thousand float32 products through 51 convolutions, of numbers near 1.
      for (const [i, row] of expected[name][key].entries())
        for (const [k, value] of row.entries())
          expect(found[key][i]![k]).toBeAllclose(value, { absolute: 1e-4 });
    const tops = Array.from({ length: count }, (__, i) =>
      indexOfLargest(logits.data.slice(i * 1000, (i + 1) * 1000)),
    );
    expect(tops).toEqual(expected[name].top);
  });

  /** Numbers of ImageNet's classes: 282 is a tiger cat, 967 an espresso. */
  it('has the features of places that PyTorch has, and their means over windows on a smaller grid', async () => {
    const { shape, every97 } = expected.places;
    const [count, grid, , channels] = shape as [number, number, number, number];
    const { data, width } = await network.spatial([count, 224, 224, 3], pattern(count, 224), grid);
    expect(width).toBe(grid * grid * channels);
    expect(every97.map((_, i) => data[i * 97]!)).toBeAllclose([...every97], { absolute: 1e-4 });
    const { data: one } = await network.spatial([count, 224, 224, 3], pattern(count, 224), 1);
    const means = Array.from({ length: count * channels }, (_, i) => {
      const [image, channel] = [Math.floor(i / channels), i % channels];
      let sum = 0;
      for (let place = 0; place < grid * grid; place++)
        sum += data[(image * grid * grid + place) * channels + channel]!;
      return sum / (grid * grid);
    });
    expect(one).toBeAllclose(means, { absolute: 1e-5 });
  });

  it('knows a cat and a coffee', async () => {
    const found: Record<string, number> = {};
    for (const name of ['chelsea', 'coffee']) {
      const { width, height, data } = await decodeImage(join(fixtures, `${name}.jpg`), '#000000');
      found[name] = indexOfLargest((await network.run([1, height, width, 3], data)).logits.data);
    }
    expect(found).toEqual({ chelsea: 282, coffee: 967 });
    expect(found).toEqual(expected.photographs);
  });

  it('is not taken for another network', async () => {
    const other = new URL('../fixtures/torch_zip.pt', import.meta.url).pathname;
    await expect(EfficientNet.open(other, {})).rejects.toMatchObject({
      code: 'efficientnet-invalid',
      message: expect.stringContaining('torch_zip.pt') as string,
    });
  });
});
