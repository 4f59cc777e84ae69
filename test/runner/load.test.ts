import { basename } from 'node:path';
import { expect, it } from 'vitest';
import type { TrainConfig } from '../../src/generated/index.js';
import { mediatorsPerBlock } from '../../src/models/sit/config.js';
import { type Pipeline, topologicalOrder } from '../../src/runner/pipeline.js';
import { loadPipeline } from '../../src/stages/load.js';
import { load, pipelineText } from './pipelines.js';

async function loadSound(text: string, set: readonly string[] = []): Promise<Pipeline> {
  const loaded = await load(text, set);
  if (!loaded.ok) throw new Error(loaded.diagnostics.map(({ message }) => message).join('\n'));
  return loaded.pipeline;
}

const configOf = (pipeline: Pipeline, id: string): unknown => pipeline.stages.get(id)?.config;

it('leaves out a value that the absence of its key stands for, so that no fingerprint changes', async () => {
  const model = async (set: readonly string[]) =>
    (configOf(await loadSound(pipelineText(), set), 'train') as TrainConfig).model;
  expect(await model(['stages.train.model.rope=false', 'stages.train.model.swiGlu=false'])).toEqual(
    await model([]),
  );
  expect(await model(['stages.train.model.rope=8'])).toEqual({ ...(await model([])), rope: 8 });
});

it('fills in every default', async () => {
  const pipeline = await loadSound(pipelineText());
  expect(pipeline).toMatchObject({
    name: 'test',
    seed: 0,
    runtime: { device: 'auto', precision: 'float32', workers: 1, threads: 0 },
  });
  expect(basename(pipeline.file)).toBe('p.yaml');
  expect(Object.fromEntries(Array.from(pipeline.stages, ([id, { config }]) => [id, config]))).toEqual({
    images: {
      ...{ path: 'photos', labels: 'folders', size: 32, smallImages: 'refuse', background: '#ffffff' },
      orientation: 'ignore',
      maxCorrupt: 0,
    },
    autoencoder: {
      ...{ images: 'images', latentChannels: 4, downsample: 4, channels: [8, 16, 32], layersPerBlock: 1 },
      ...{
        records: { tensorboard: false },
        normGroups: 8,
        klWeight: 1e-4,
        steps: 10,
        batch: 64,
        learningRate: 2e-3,
        warmupSteps: 50,
      },
      ...{ schedule: 'cosine', gradientClip: 1, ema: 0.99, classSampling: 'natural', flips: false },
      ...{ logEverySteps: 20, checkpoint: { everySteps: 500 } },
    },
    latents: {
      ...{ images: 'images', autoencoder: 'autoencoder', flips: false, dtype: 'float16', batch: 64 },
      ...{ shardSize: 4096, autoencoderMemoryMiB: 2048 },
    },
    train: {
      ...{ latents: 'latents', flips: false, crop: 'centre' },
      model: {
        hiddenSize: 32,
        depth: 4,
        heads: 2,
        patchSize: 2,
        mediators: 4,
        labelDropout: 0.1,
        qkNorm: false,
      },
      ...{
        steps: 10,
        globalBatch: 256,
        classSampling: 'natural',
        learningRate: 1e-4,
        schedule: 'constant',
        warmupSteps: 0,
      },
      ...{
        weightDecay: 0,
        betas: [0.9, 0.999],
        gradientClip: 0,
        accumulate: 1,
        ema: 0.9999,
        interpolant: 'linear',
      },
      ...{
        prediction: 'velocity',
        recompute: false,
        records: { tensorboard: false },
        lossWeight: 'none',
        timesteps: 'uniform',
        timestepShift: 1,
        logEverySteps: 50,
      },
      checkpoint: { everySteps: 1000, keepLast: 2 },
    },
    sample: {
      ...{ model: 'train', autoencoder: 'autoencoder', weights: 'ema', count: 4, classes: 'balanced' },
      ...{ batch: 64, autoencoderMemoryMiB: 2048 },
      sampler: {
        ...{ kind: 'sde', method: 'eulerMaruyama', steps: 250, timeShift: 1, order: 2 },
        ...{ absoluteTolerance: 1e-6, relativeTolerance: 1e-3 },
        ...{ diffusion: 'sigma', diffusionNorm: 1, lastStep: 'mean', lastStepSize: 0.04 },
      },
      ...{ firstSteps: 3, distance: 'mae', guidanceScale: 1, guidanceChannels: 3, likelihood: false },
    },
    report: { stages: ['train', 'sample'] },
  });
});

it('fills in the sizes of a named model, and defaults inside of alternatives', async () => {
  const pipeline = await loadSound(
    pipelineText({
      train:
        '{ uses: train, latents: latents, epochs: 2, model: { name: SiT-XL/2, mediators: 4 }, timesteps: { kind: logitNormal, std: 2 } }',
    }),
  );
  expect(configOf(pipeline, 'train')).toMatchObject({
    epochs: 2,
    model: { name: 'SiT-XL/2', hiddenSize: 1152, depth: 28, heads: 16, patchSize: 2, mediators: 4 },
    timesteps: { kind: 'logitNormal', mean: 0, std: 2 },
  });
});

it('gives the same configuration whatever the order of keys, and keeps it apart between stages', async () => {
  const one = await loadSound(
    pipelineText({ sample: '{ uses: sample, model: train, autoencoder: autoencoder, count: 4 }' }),
  );
  const other = await loadSound(
    pipelineText({ sample: '{ count: 4, autoencoder: autoencoder, model: train, uses: sample }' }),
  );
  expect(JSON.stringify(configOf(other, 'sample'))).toBe(JSON.stringify(configOf(one, 'sample')));
});

it('names the stages that a stage refers to, with their paths', async () => {
  const pipeline = await loadSound(pipelineText());
  expect(pipeline.stages.get('report')?.references).toEqual([
    { path: 'stages.0', stage: 'train' },
    { path: 'stages.1', stage: 'sample' },
  ]);
  expect(pipeline.stages.get('latents')?.references.map(({ path }) => path)).toEqual([
    'images',
    'autoencoder',
  ]);
});

const shared = `name: shared
stages:
  images: { uses: images, path: photos, size: 32 }
  autoencoder: { uses: autoencoder, images: images, channels: [8, 16, 32], steps: 10 }
  latents: { uses: encode, images: images, autoencoder: autoencoder }
  four: &training
    uses: train
    latents: latents
    steps: &steps 7
    model: &model { hiddenSize: 32, depth: 4, heads: 2, patchSize: 2, mediators: 4 }
  sixteen:
    <<: *training
    model: { <<: *model, mediators: 16 }
    logEverySteps: *steps
  both:
    uses: train
    <<: [{ latents: latents, steps: 1 }, { steps: 2, globalBatch: 3 }]
    model: *model
`;

it('understands anchors and merge keys: own keys win, then earlier maps', async () => {
  const pipeline = await loadSound(shared);
  expect(configOf(pipeline, 'four')).toMatchObject({ steps: 7, logEverySteps: 50, model: { mediators: 4 } });
  expect(configOf(pipeline, 'sixteen')).toMatchObject({
    ...{ latents: 'latents', steps: 7, logEverySteps: 7 },
    model: { hiddenSize: 32, depth: 4, mediators: 16 },
  });
  expect(configOf(pipeline, 'both')).toMatchObject({ steps: 1, globalBatch: 3, model: { mediators: 4 } });
});

it('overrides the named place only, also where the file shares it', async () => {
  const pipeline = await loadSound(shared, [
    'stages.four.model.mediators=9',
    'stages.sixteen.steps=20',
    'stages.both.model.mediators=1',
  ]);
  expect(configOf(pipeline, 'four')).toMatchObject({ steps: 7, model: { mediators: 9 } });
  expect(configOf(pipeline, 'sixteen')).toMatchObject({
    steps: 20,
    logEverySteps: 7,
    model: { mediators: 16 },
  });
  expect(configOf(pipeline, 'both')).toMatchObject({ steps: 1, model: { mediators: 1 } });
});

it('overrides with any YAML value, makes missing maps, reaches into lists, and removes keys', async () => {
  const pipeline = await loadSound(pipelineText(), [
    'runtime.device=cpu',
    'stages.autoencoder.channels.2=24',
    'stages.sample.sampler={ kind: ode, steps: 5 }',
    'stages.sample.sampler.steps=6',
    'stages.train.steps=null',
    'stages.train.epochs=3',
    'stages.images.path=a=b',
    'stages.images.background=#000000',
    'stages.report.title="1.0"',
  ]);
  expect(pipeline.runtime).toMatchObject({ device: 'cpu', workers: 1 });
  expect(configOf(pipeline, 'autoencoder')).toMatchObject({ channels: [8, 16, 24] });
  expect(configOf(pipeline, 'sample')).toMatchObject({ sampler: { kind: 'ode', steps: 6 } });
  expect(configOf(pipeline, 'train')).toMatchObject({ epochs: 3 });
  expect(configOf(pipeline, 'train')).not.toHaveProperty('steps');
  expect(configOf(pipeline, 'images')).toMatchObject({ path: 'a=b', background: '#000000' });
  expect(configOf(pipeline, 'report')).toMatchObject({ title: '1.0' });
});

it('tells where values come from', async () => {
  const loaded = await load(shared, ['stages.four.steps=9']);
  if (!loaded.ok) throw new Error('not loaded');
  const at = (path: string) => {
    const origin = loaded.sources.get(path);
    return origin && `${basename(origin.file)}:${origin.line}:${origin.column}`;
  };
  expect(at('name')).toBe('p.yaml:1:7');
  expect(at('stages.four.steps')).toBe('--set:1:25');
  expect(at('stages.sixteen.steps')).toBe('p.yaml:9:19');
  expect(at('stages.sixteen.model.mediators')).toBe('p.yaml:13:37');
  expect(at('stages.autoencoder.channels.1')).toBe('p.yaml:4:67');
  expect(at('stages.four.globalBatch')).toBeUndefined();
  expect(loaded.pipeline.stages.get('sixteen')?.origin).toMatchObject({ line: 11, column: 3 });
});

it('accepts a stage id that is a name of objects in JavaScript', async () => {
  const pipeline = await loadSound(
    'name: a\nstages: { constructor: { uses: images, path: x, size: 8 }, r: { uses: report, stages: [constructor] } }\n',
  );
  expect(topologicalOrder(pipeline).map(({ id }) => id)).toEqual(['constructor', 'r']);
});

it('does not let a key reach the prototype of objects', async () => {
  const loaded = await load(
    'name: a\n__proto__: { seed: 1 }\nstages: { images: { uses: images, path: x, size: 8 } }\n',
  );
  expect(loaded.ok || loaded.diagnostics.map(({ code }) => code)).toEqual(['unknown-key']);
});

it('reads the pipelines that come with the project', async () => {
  const loaded = await loadPipeline('pipelines/quickstart.yaml');
  expect(loaded.ok || loaded.diagnostics).toBe(true);
});

it('orders stages by their needs, otherwise as in the file', async () => {
  const { images, ...others } = Object.fromEntries(
    pipelineText()
      .split('\n')
      .slice(2, -1)
      .map((line) => [line.trim().split(':')[0]!, line]),
  );
  const lines = [...Object.values(others).toReversed(), images!];
  const pipeline = await loadSound(`name: a\nstages:\n${lines.join('\n')}\n`);
  expect([...pipeline.stages.keys()]).toEqual([
    'report',
    'sample',
    'train',
    'latents',
    'autoencoder',
    'images',
  ]);
  expect(topologicalOrder(pipeline).map(({ id }) => id)).toEqual([
    ...['images', 'autoencoder', 'latents', 'train', 'sample', 'report'],
  ]);
});

it('spreads mediators over blocks in all three ways to write them', () => {
  expect(mediatorsPerBlock({ depth: 3, mediators: 4 })).toEqual([4, 4, 4]);
  expect(mediatorsPerBlock({ depth: 3, mediators: [4, 0, 16] })).toEqual([4, 0, 16]);
  const ranges = [
    { blocks: [0, 1] as [number, number], mediators: 16 },
    { blocks: [3, 3] as [number, number], mediators: 4 },
  ];
  expect(mediatorsPerBlock({ depth: 5, mediators: ranges })).toEqual([16, 16, 0, 4, 0]);
});

it('checks a file of two hundred stages in a moment', async () => {
  const stages = Array.from({ length: 200 }, (_, i) => `  i${i}: { uses: images, path: p, sise: 8 }\n`).join(
    '',
  );
  const loaded = await load(`name: a\nstages:\n${stages}`);
  expect(loaded.ok || loaded.diagnostics.length).toBe(200);
});

it('is not slowed down by aliases of aliases', async () => {
  const levels = Array.from({ length: 12 }, (_, i) =>
    i === 0
      ? 'l0: &l0 [x]'
      : `l${i}: &l${i} [${Array(9)
          .fill(`*l${i - 1}`)
          .join(', ')}]`,
  );
  const loaded = await load(
    `name: a\n${levels.join('\n')}\nstages: { images: { uses: images, path: *l11, size: 8, classes: *l11 } }\n`,
  );
  expect(loaded.ok || loaded.diagnostics.length).toBeGreaterThan(12);
});
