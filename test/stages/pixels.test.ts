import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { LatentDataset } from '../../src/data/latents/dataset.js';
import { readMetrics } from '../../src/formats/metrics-log.js';
import { float32 } from '../../src/tensorflow/index.js';
import { Autoencoder } from '../../src/weights/saved-autoencoder.js';
import { readSavedModel } from '../../src/weights/saved-files.js';
import { startPipeline, tinyPipeline } from '../support/tiny-pipeline.js';

let folder: string;
const model = '{ hiddenSize: 32, depth: 2, heads: 2, patchSize: 4, mediators: [4, 0], rope: true }';
const training = `steps: 12, globalBatch: 8, logEverySteps: 4, prediction: data, lossWeight: velocity, model: ${model}`;

beforeAll(async () => {
  folder = await tinyPipeline();
  await writeFile(
    join(folder, 'pixels.yaml'),
    `name: pixels
seed: 3
runtime: { device: cpu, threads: 1 }
stages:
  images: { uses: images, path: data, size: 16 }
  pixels: { uses: autoencoder, weights: none }
  stored: { uses: encode, images: images, autoencoder: pixels, dtype: float32 }
  train: { uses: train, latents: stored, ${training} }
  direct: { uses: train, images: images, autoencoder: pixels, ${training} }
  sample: { uses: sample, model: train, autoencoder: pixels, count: 4, guidanceScale: 2, sampler: { kind: ode, method: heun, steps: 6 } }
  noisy: { uses: sample, model: direct, autoencoder: pixels, count: 2, sampler: { kind: sde, steps: 6 } }
  evaluate: { uses: evaluate, samples: sample, reference: images, autoencoder: pixels, metrics: [latentFrechetDistance], latentGrid: 2 }
  page: { uses: playground, model: train, autoencoder: pixels }
  report: { uses: report, stages: [images, pixels, stored, train, sample, evaluate] }
`,
  );
  const ran = await startPipeline(folder, ['run', 'pixels.yaml']);
  expect(ran.exitCode, ran.stderr + ran.stdout).toBe(0);
}, 240_000);

afterAll(() => rm(folder, { recursive: true }));

const output = (...path: string[]) => join(folder, 'runs', 'pixels', 'latest', ...path);

it('stores pixels from -1 to 1 in place of latents, and decodes them as they are', async () => {
  const set = await LatentDataset.open(output('stored'));
  expect([set.count, set.shape]).toEqual([36, [16, 16, 3]]);
  const found = { mean: new Float32Array(16 * 16 * 3), std: new Float32Array(16 * 16 * 3) };
  await set.readBatch([0], found);
  await set.close();
  const path = join(folder, 'data', 'circles', '0.png');
  const { data } = await sharp(path)
    .flatten({ background: '#fff' })
    .resize(16, 16)
    .raw()
    .toBuffer({ resolveWithObject: true });
  // Other resampling than sharp's, of a drawing of twice the size.
  const distance = found.mean.reduce((sum, value, i) => sum + Math.abs(value - (data[i]! / 127.5 - 1)), 0);
  expect(distance / found.mean.length).toBeLessThan(0.1);
  expect(Math.max(...found.std)).toBeLessThan(1e-6);
  const autoencoder = await Autoencoder.open(output('pixels'));
  const image = float32([1, 16, 16, 3], found.mean);
  expect(await autoencoder.decode(image)).toEqual(image);
  expect((await autoencoder.encode(image)).mean).toEqual(image);
  await autoencoder.close();
});

it('trains a model of the data on them, from images too, in which the loss is that of the velocity', async () => {
  for (const id of ['train', 'direct']) {
    const saved = await readSavedModel(output(id));
    expect(saved).toMatchObject({ prediction: 'data', normalization: { mean: [0, 0, 0], std: [1, 1, 1] } });
    expect(saved.config).toMatchObject({ latentSize: 16, channels: 3, patchSize: 4, rope: 4 });
  }
  const losses = async (id: string) =>
    (await readMetrics(output(id, 'metrics.jsonl'))).map(({ loss }) => loss!);
  const [stored, direct] = [await losses('train'), await losses('direct')];
  // The same images in the same order, noise and times; stored posteriors are as narrow.
  expect(direct[0]).toBeCloseTo(stored[0]!, 3);
  // Nothing is predicted at first: data of mean square near 1, over a share of noise of 0.05 at least.
  expect(stored[0]).toBeGreaterThan(2);
  expect(stored.at(-1)).toBeLessThan(stored[0]!);
});

it('draws pictures of their size, and a page that draws them', async () => {
  for (const id of ['sample', 'noisy']) {
    const picture = sharp(output(id, 'samples', '000000.png'));
    expect(await picture.metadata()).toMatchObject({ width: 16, height: 16, channels: 3 });
  }
  const page = await readFile(output('page', 'playground.html'), 'utf8');
  expect(page).toContain('"prediction":"data"');
});

it('refuses a scale of pixels, and has no weights to export', async () => {
  const scaled = await startPipeline(folder, [
    'plan',
    'pixels.yaml',
    '--set',
    'stages.pixels.scalingFactor=2',
  ]);
  expect(scaled.stderr).toContain('takes pixels as they are');
  const exported = await startPipeline(folder, ['export', 'pixels.yaml#pixels', 'vae']);
  expect(exported.exitCode).toBe(1);
  expect(exported.stderr).toContain('it stands for no autoencoder');
  const weighed = await startPipeline(folder, [
    'plan',
    'pixels.yaml',
    '--set',
    'stages.train.lossWeight=likelihood',
  ]);
  expect(weighed.stderr).toContain('would grow without bound');
});
