import { expect, it } from 'vitest';
import type { TrainConfig } from '../../../src/generated/index.js';
import type { Json, PlannedInput, StageOutput } from '../../../src/runner/stage.js';
import { describeTrain, requirePlannedEffects } from '../../../src/stages/train/facts.js';
import { load } from '../../runner/pipelines.js';
import { runtimeConfig } from '../../support/runtime-config.js';

const yaml = (train: string) => `name: test
stages:
  images: { uses: images, path: photos, size: 256 }
  autoencoder: { uses: autoencoder, weights: stabilityai/sd-vae-ft-ema }
  latents: { uses: encode, images: images, autoencoder: autoencoder, flips: true }
  train: { uses: train, latents: latents, ${train} }
`;

/** The stage `train` and its inputs, images having been found where their number is given. */
async function planned(train: string, images?: number) {
  const loaded = await load(yaml(train));
  if (!loaded.ok) throw new Error(loaded.diagnostics.map(({ message }) => message).join('\n'));
  const { stages } = loaded.pipeline;
  const resolve = (id: string): PlannedInput => {
    const { kind, config } = stages.get(id)!;
    const found = { summary: { images, classes: ['a', 'b', 'c'] } } as unknown as StageOutput;
    const isFound = kind === 'images' && images !== undefined;
    return { kind, config: config as unknown as Json, ...(isFound && { output: found }) };
  };
  return { training: stages.get('train')!.config as TrainConfig, resolve };
}

/** Facts of that stage. */
async function facts(train: string, images?: number, workers = 1): Promise<Record<string, string>> {
  const { training, resolve } = await planned(train, images);
  const described = await describeTrain(training, resolve, runtimeConfig({ workers }), '.');
  return Object.fromEntries(described.map(({ label, value }) => [label, value]));
}

// The paper's figures for SiT-S/2 at 256 pixels, rounded there to 0.01; counters differ in what small parts they leave out.
it.each([
  [0, 6.06],
  [4, 5.49],
  [16, 5.55],
  [64, 5.78],
])('with %i mediators tells the paper’s %f GFLOPs', async (mediators, expected) => {
  const told = await facts(`steps: 10, model: { name: SiT-S/2, mediators: ${mediators} }`);
  expect(Math.abs(Number(told['GFLOPs a sample']) - expected)).toBeLessThanOrEqual(0.02 + 1e-9);
});

it('tells epochs and steps by each other once the images are counted', async () => {
  const model = 'model: { name: SiT-S/2, mediators: 64 }';
  expect(await facts(`epochs: 80, ${model}`, 1_281_167)).toMatchObject({
    // The reference's log of 80 epochs of ImageNet ends there: 80 × ⌊1281167 / 256⌋.
    steps: '400,320',
    epochs: '80',
    'images seen': '102 million',
  });
  expect(await facts(`steps: 10008, ${model}`, 1_281_167)).toMatchObject({ epochs: '2' });
  const before = await facts(`epochs: 80, ${model}`);
  expect(before).toMatchObject({ epochs: '80' });
  expect(before.steps).toBeUndefined();
});

it.each([
  ['until: { step: 4, timestepShift: 2 }', 'until.step'],
  ['selfAlignment: { untilStep: 4 }', 'selfAlignment.untilStep'],
  ['featureAlignment: { images: images, untilStep: 5 }', 'featureAlignment.untilStep'],
  ['tokenRouting: { untilStep: 4 }', 'tokenRouting.untilStep'],
  ['modelGuidance: { fromStep: 4 }', 'modelGuidance.fromStep'],
  ['evaluate: { everySteps: 5, autoencoder: autoencoder, reference: images }', 'evaluate.everySteps'],
])('refuses %s in fewer steps, once epochs are known in steps', async (part, key) => {
  const train = `epochs: 2, globalBatch: 5, model: { name: SiT-S/2, mediators: 64 }, ${part}`;
  const refuse = async (images?: number) => {
    const { training, resolve } = await planned(train, images);
    requirePlannedEffects(training, resolve);
  };
  await expect(refuse(14)).rejects.toMatchObject({
    code: 'no-effect',
    message: `\`epochs: 2\` of these images are 4 steps: \`${key}\` comes after the last of them, and changes nothing.`,
  });
  await refuse(15);
  await refuse();
});

it('counts the rows of the label table that are known', async () => {
  const model = 'steps: 10, model: { name: SiT-S/2, mediators: 0 }';
  // DiT's table has 32.96 million with 1000 classes and the position embedding (256 × 384), which is no parameter here.
  expect((await facts(model)).parameters).toBe('32.5 million, and 384 a class');
  expect((await facts(model, 100)).parameters).toBe('32.5 million');
});

it('tells the memory of each worker for its share of the batch', async () => {
  const model = 'steps: 10, globalBatch: 64, accumulate: 2, model: { name: SiT-S/2, mediators: 64 }';
  const share = 'steps: 10, globalBatch: 16, accumulate: 2, model: { name: SiT-S/2, mediators: 64 }';
  const { memory } = await facts(share);
  expect(memory).toMatch(/^about .* for 8 latents at once$/);
  expect((await facts(model, undefined, 4)).memory).toBe(memory!.replace(' for', ' a worker for'));
});

it('tells what pictures of samples may need beside it', async () => {
  const train = 'steps: 10, globalBatch: 8, model: { name: SiT-S/2, mediators: 64 }';
  const { memory } = await facts(train);
  const drawing = await facts(`${train}, samples: { everySteps: 5, autoencoder: autoencoder }`);
  expect(drawing.memory).toBe(`${memory!}, and up to 2.1 GB to decode pictures of samples`);
});
