import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { float32, SiT, sitParameters } from '../../../src/index.js';
import { sizeOf } from '../../../src/tensorflow/index.js';
import { startPipeline, tinyPipeline } from '../../support/tiny-pipeline.js';
import { writeTinyDiffusers } from '../../support/tiny-diffusers.js';

let folder: string;

/** A checkpoint, which tells no scale of latents, beside autoencoders whose configuration does. */
beforeAll(async () => {
  folder = await tinyPipeline();
  await writeTinyDiffusers(join(folder, 'vae'));
  const sizes = { hiddenSize: 32, depth: 1, heads: 2, patchSize: 1, latentSize: 4, classes: 3, mediators: 0 };
  const config = SiT.configOf(sizes);
  const weights = Object.fromEntries(
    sitParameters(config).map(({ name, shape }) => [
      name,
      float32(
        shape,
        Float32Array.from({ length: sizeOf(shape) }, (_, i) => 0.1 * Math.sin(i)),
      ),
    ]),
  );
  const model = await SiT.create(config, { weights, runtime: { device: 'cpu', threads: 1 } });
  await model.save(join(folder, 'saved'));
  await model.close();
  const exported = await startPipeline(folder, ['export', 'saved', 'model.pt']);
  expect(exported.exitCode, exported.stderr).toBe(0);
}, 120_000);
afterAll(() => rm(folder, { recursive: true }));

const model = (scale: number) =>
  `  model: { uses: pretrained, path: model.pt, heads: 2, scalingFactor: ${scale} }\n`;
const stages = {
  sample: '  sample: { uses: sample, model: model, autoencoder: coder, count: 1, sampler: { steps: 2 } }\n',
  play: '  play: { uses: playground, model: model, autoencoder: coder }\n',
  train:
    '  train: { uses: train, latents: latents, start: model, model: { hiddenSize: 32, depth: 1, heads: 2, patchSize: 1, mediators: 0 }, steps: 1, globalBatch: 2 }\n',
  onImages:
    '  train: { uses: train, images: images, autoencoder: coder, start: model, model: { hiddenSize: 32, depth: 1, heads: 2, patchSize: 1, mediators: 0 }, steps: 1, globalBatch: 2 }\n',
} as const;
const encoded =
  '  images: { uses: images, path: data, size: 16 }\n  latents: { uses: encode, images: images, autoencoder: coder }\n';

async function said(command: 'plan' | 'run', scale: number, last: keyof typeof stages): Promise<string> {
  const coder = '  coder: { uses: autoencoder, weights: vae }\n';
  const text = `name: scales\nruntime: { device: cpu, threads: 1 }\nstages:\n${coder}${model(scale)}${encoded}${stages[last]}`;
  await writeFile(join(folder, 'scales.yaml'), text);
  const { exitCode, stdout, stderr } = await startPipeline(folder, [command, 'scales.yaml']);
  expect(exitCode, stderr).toBe(0);
  return `${stdout}${stderr}`.replace(/\s+/g, ' ');
}

it.each(Object.keys(stages) as (keyof typeof stages)[])(
  'a model of another scale than the autoencoder is told by plan, and by the run: %s',
  async (last) => {
    const warning =
      'model was trained on latents that are multiplied by 0.5; those of coder are multiplied by 0.18215.';
    expect(await said('plan', 0.5, last)).toContain(warning);
    const told = await said('run', 0.5, last);
    expect(told).toContain(last === 'train' ? warning.replace('coder', 'latents') : warning);
    for (const command of ['plan', 'run'] as const)
      expect(await said(command, 0.18215, last)).not.toContain('trained on latents that');
  },
  240_000,
);
