import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ImageDataset } from '../../../../src/data/images/dataset.js';
import { writeImageIndex } from '../../../../src/data/images/image-index.js';
import {
  EncodedImages,
  type EncodedImagesOptions,
  keptMeasurement,
  measureLatents,
} from '../../../../src/stages/train/open-data.js';
import { openAutoencoderSource } from '../../../../src/weights/autoencoder-source.js';
import { Autoencoder } from '../../../../src/weights/saved-autoencoder.js';
import { writeAutoencoder } from '../../../../src/weights/write.js';
import { writeTinyDiffusers } from '../../../support/tiny-diffusers.js';
import { toldOfDamage } from '../../../support/told-of-damage.js';

const emoji = join(
  dirname(fileURLToPath(import.meta.resolve('emoji-datasource-google/package.json'))),
  'img/google/64',
);
const size = 24;
let folder: string;
let images: ImageDataset;
let autoencoder: Autoencoder;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'encoded-'));
  const source = await openAutoencoderSource(await writeTinyDiffusers(join(folder, 'vae')));
  await mkdir(join(folder, 'autoencoder'));
  const signal = new AbortController().signal;
  await writeAutoencoder(source, join(folder, 'autoencoder'), { signal, tell: () => undefined });
  await source.close();
  autoencoder = await Autoencoder.open(join(folder, 'autoencoder'), { device: 'cpu', threads: 1 });
  const names = (await readdir(emoji)).filter((name) => name.endsWith('.png')).slice(0, 2);
  for (const name of names) await copyFile(join(emoji, name), join(folder, name));
  await writeImageIndex(
    folder,
    { size, background: '#ffffff', classes: ['a', 'b'], count: 2 },
    names.map((path, label) => ({ path, label, width: 64, height: 64 })),
  );
  images = await ImageDataset.open(folder, folder);
});

afterAll(async () => {
  await autoencoder.close();
  await rm(folder, { recursive: true, force: true });
});

const dataOf = (options: Partial<EncodedImagesOptions>) =>
  new EncodedImages(images, autoencoder, { seed: 1, crop: 'centre', flips: false, ...options });

/** The posterior mean of one draw. */
async function mean(data: EncodedImages, index: number, position: number, flipped = false) {
  const length = (size / 4) ** 2 * 4;
  const out = { mean: new Float32Array(length), std: new Float32Array(length) };
  await data.read([{ index, position, flipped }], out);
  expect(Math.min(...out.std)).toBeGreaterThan(0);
  return out.mean;
}

it('crops by the seed and the position where it is to crop at random', async () => {
  const random = dataOf({ crop: 'random' });
  const first = await mean(random, 0, 5);
  expect(await mean(random, 0, 5)).toEqual(first);
  expect(await mean(random, 0, 6)).not.toEqual(first);
  expect(await mean(dataOf({ crop: 'random', seed: 2 }), 0, 5)).not.toEqual(first);
  const centred = dataOf({});
  expect(await mean(centred, 0, 5)).toEqual(await mean(centred, 0, 6));
});

it('mirrors what is drawn mirrored, of the classes that may be', async () => {
  const some = dataOf({ flips: { classes: ['b'] } });
  expect(await mean(some, 0, 0, true)).toEqual(await mean(some, 0, 0));
  expect(await mean(some, 1, 0, true)).not.toEqual(await mean(some, 1, 0));
  expect(await mean(some, 1, 0)).toEqual(await mean(dataOf({}), 1, 0));
});

it('measures the mean and deviation of latents drawn from the posteriors', async () => {
  const data = dataOf({});
  const statistics = await measureLatents(data);
  const all = [...(await mean(data, 0, 0)), ...(await mean(data, 1, 0))];
  for (const channel of [0, 3]) {
    const own = all.filter((_, i) => i % 4 === channel);
    const average = own.reduce((sum, value) => sum + value, 0) / own.length;
    // A batch of two is encoded by other loops than two of one: float32 rounds at 1e-7 of each of some hundred terms.
    expect(statistics.mean[channel]).toBeCloseTo(average, 4);
    const spread = own.reduce((sum, value) => sum + (value - average) ** 2, 0) / own.length;
    expect(statistics.std[channel]).toBeGreaterThan(Math.sqrt(spread));
  }
});

it('keeps the statistics of latents for sessions that go on, and measures again where they are damaged', async () => {
  const data = dataOf({});
  const path = join(folder, 'latent-statistics.json');
  const measured = await keptMeasurement(data, folder);
  const gone = {
    count: 0,
    shape: data.shape,
    read: () => Promise.reject(new Error('It is not read again.')),
  };
  expect(await keptMeasurement(gone, folder)).toEqual(measured);
  const text = await readFile(path, 'utf8');
  const digit = text.search(/[1-8](?=\d)/);
  const changed = `${text.slice(0, digit)}${Number(text[digit]) + 1}${text.slice(digit + 1)}`;
  for (const damaged of [changed, 'null', '', '{"mean":[]}', text.slice(0, 30)]) {
    await writeFile(path, damaged);
    const { result, told } = await toldOfDamage(() => keptMeasurement(data, folder));
    expect(told).toEqual([expect.stringContaining(`${path} is damaged`)]);
    expect(result).toEqual(measured);
  }
});
