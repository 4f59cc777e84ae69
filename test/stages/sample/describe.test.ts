import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { SampleConfig } from '../../../src/generated/index.js';
import type { Json, PlannedInput, StageOutput } from '../../../src/runner/stage.js';
import { describeSample, requireDrawablePhases } from '../../../src/stages/sample/facts.js';
import { samplePlan } from '../../../src/stages/sample/plan.js';
import { load } from '../../runner/pipelines.js';
import { runtimeConfig } from '../../support/runtime-config.js';
import { SampleBench } from '../../support/sample-stage.js';

let bench: SampleBench;
beforeAll(async () => {
  bench = await SampleBench.open();
  await bench.addModel('pretrained', 1);
});
afterAll(() => bench.close());

const yaml = (sample: string) => `name: test
stages:
  images: { uses: images, path: photos, size: 256 }
  autoencoder: { uses: autoencoder, weights: stabilityai/sd-vae-ft-ema }
  elsewhere: { uses: autoencoder, weights: vae }
  latents: { uses: encode, images: images, autoencoder: autoencoder }
  train: { uses: train, latents: latents, steps: 10, model: { name: SiT-S/2, mediators: 64 } }
  weak: { uses: train, latents: latents, steps: 10, model: { name: SiT-S/2, mediators: 4 } }
  pretrained: { uses: pretrained, path: model.pt }
  sample: { uses: sample, ${sample} }
`;

/** The stage `sample`, and what gives the others, of which some are cached. */
async function planned(sample: string, cached: readonly string[]) {
  const loaded = await load(yaml(sample));
  if (!loaded.ok) throw new Error(loaded.diagnostics.map(({ message }) => message).join('\n'));
  const { stages } = loaded.pipeline;
  const resolve = (id: string): PlannedInput => {
    const { kind, config } = stages.get(id)!;
    const output = { directory: join(bench.folder, id), summary: {} } as unknown as StageOutput;
    return { kind, config: config as unknown as Json, ...(cached.includes(id) && { output }) };
  };
  return { config: stages.get('sample')!.config as SampleConfig, resolve };
}

/** The fact `memory` of the stage `sample`. */
async function memory(sample: string, { workers = 1, cached = [] as string[] } = {}) {
  const { config, resolve } = await planned(sample, cached);
  const facts = await describeSample(config, resolve, runtimeConfig({ workers }), '.');
  return facts.find(({ label }) => label === 'memory')?.value;
}

const gigabytes = (fact: string | undefined) => Number(/about ([\d.]+) GB/.exec(fact!)![1]);

it('tells what a model that is not trained yet will need', async () => {
  const usual = 'model: train, autoencoder: autoencoder, count: 64, batch: 4';
  const fact = await memory(usual);
  expect(fact).toMatch(/^about [\d.]+ GB for 4 samples at once$/);
  // Weights of 130 and 335 MB, four pictures' decoding of 270 MB, half a gigabyte of TensorFlow and some for the drawing.
  expect(gigabytes(fact)).toBeGreaterThan(0.5 + 0.13 + 0.335 + 4 * 0.27);
  expect(gigabytes(fact)).toBeLessThan(2.8);
  expect(await memory(usual, { workers: 2 })).toBe(fact!.replace(' for', ' a worker for'));
  expect(await memory('model: train, autoencoder: autoencoder, count: 3')).toMatch(/for 3 samples at once$/);
});

it('counts the models of all phases and the one that guides away', async () => {
  const alone = gigabytes(await memory('model: train, autoencoder: autoencoder, count: 4'));
  const phases = 'phases: [{ model: weak, switchRatio: 0.9 }, { model: train }]';
  expect(gigabytes(await memory(`${phases}, autoencoder: autoencoder, count: 4`))).toBeGreaterThan(
    alone + 0.13,
  );
  const guidance = 'model: train, guidance: { scale: 2, model: weak }';
  expect(gigabytes(await memory(`${guidance}, autoencoder: autoencoder, count: 4`))).toBeGreaterThan(
    alone + 0.13,
  );
});

it('refuses samplers that a cached model of noise cannot be followed by', async () => {
  await bench.addModel('pretrained', 1, {}, { prediction: 'noise' });
  const check = async (sampler: string, cached = ['pretrained']) => {
    const { config, resolve } = await planned(
      `model: pretrained, autoencoder: autoencoder, count: 4, sampler: ${sampler}`,
      cached,
    );
    await requireDrawablePhases(samplePlan(config), resolve);
  };
  await expect(check('{ kind: ode, sampleEpsilon: 0 }')).rejects.toMatchObject({
    code: 'impossible-sampler',
  });
  await expect(check('{ kind: ode, sampleEpsilon: 0 }', [])).resolves.toBeUndefined();
  await expect(check('{ kind: ode }')).resolves.toBeUndefined();
  await bench.addModel('pretrained', 1);
});

it('reads what cached outputs hold, and says nothing of what is not known', async () => {
  const pretrained = 'model: pretrained, autoencoder: autoencoder, count: 4';
  expect(await memory(pretrained)).toBeUndefined();
  expect(await memory(pretrained, { cached: ['pretrained'] })).toMatch(/samples at once$/);
  const elsewhere = 'model: train, autoencoder: elsewhere, count: 4';
  expect(await memory(elsewhere)).toBeUndefined();
  const guided =
    'model: train, guidance: { scale: 2, model: pretrained }, autoencoder: autoencoder, count: 4';
  expect(await memory(guided)).toBeUndefined();
  expect(await memory(guided, { cached: ['pretrained'] })).toMatch(/samples at once$/);
  // The bench's small autoencoder: less than that of Stable Diffusion.
  expect(
    await memory('model: pretrained, autoencoder: autoencoder, count: 4', {
      cached: ['pretrained', 'autoencoder'],
    }),
  ).toMatch(/^about \d+(\.\d+)? MB/);
});
