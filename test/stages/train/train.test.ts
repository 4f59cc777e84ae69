import { createHash } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { lastValueFrom, tap, toArray } from 'rxjs';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSafetensors } from '../../../src/formats/safetensors/reader.js';
import { readMetrics } from '../../../src/formats/metrics-log.js';
import { resizeTable } from '../../../src/models/sit/carry.js';
import type { StageContext, StageEvent, StageOutput } from '../../../src/runner/stage.js';
import { stageRegistry } from '../../../src/stages/registry.js';
import { float32, type HostTensor } from '../../../src/tensorflow/index.js';
import { readSavedModel } from '../../../src/weights/saved-files.js';
import { load } from '../../runner/pipelines.js';
import { writeTinyDiffusers } from '../../support/tiny-diffusers.js';

const emoji = join(
  dirname(fileURLToPath(import.meta.resolve('emoji-datasource-google/package.json'))),
  'img/google/64',
);
let folder: string;

/** Images of 40 pixels of emoji of 64, in two classes, and a tiny autoencoder of a quarter of the size. */
const stages = (train: string) => `name: test
seed: 7
runtime: { device: cpu, threads: 1 }
stages:
  images: { uses: images, path: data, size: 40 }
  larger: { uses: images, path: data, size: 48 }
  autoencoder: { uses: autoencoder, weights: vae }
  first: { uses: train, images: images, autoencoder: autoencoder, steps: 4, globalBatch: 2, learningRate: 0.01, ema: 0.5, model: MODEL }
  train: ${train}
`;
const defaultTrain =
  '{ uses: train, images: images, autoencoder: autoencoder, steps: 1, globalBatch: 2, model: MODEL }';
const model =
  '{ hiddenSize: 16, depth: 2, heads: 2, patchSize: 2, mediators: [4, 0], qkNorm: true, rmsNorm: true, swiGlu: true, rope: true, valueResidual: true }';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'train-'));
  await writeTinyDiffusers(join(folder, 'vae'));
  const names = (await readdir(emoji)).filter((name) => name.endsWith('.png')).slice(0, 6);
  for (const [i, name] of names.entries()) {
    await mkdir(join(folder, 'data', String(i % 2)), { recursive: true });
    await copyFile(join(emoji, name), join(folder, 'data', String(i % 2), name));
  }
  for (const id of ['images', 'larger', 'autoencoder']) await run(id);
});

afterAll(() => rm(folder, { recursive: true, force: true }));

/** Outputs of the stages that have been run, by id. */
const outputs = new Map<string, StageOutput>();

/** Runs one stage of the file in a folder of that name; may be interrupted once it tells of a step. */
async function run(
  id: string,
  train = defaultTrain,
  name = id,
  interruptAt = Infinity,
): Promise<StageEvent[]> {
  const directory = join(folder, name);
  const loaded = await load(stages(train).replaceAll('MODEL', model));
  if (!loaded.ok) throw new Error(loaded.diagnostics.map(({ message }) => message).join('\n'));
  const { kind, config } = loaded.pipeline.stages.get(id)!;
  await mkdir(directory, { recursive: true });
  const controller = new AbortController();
  const context: StageContext = {
    ...{ id, pipelineName: 'test', pipelineDirectory: folder, seed: 7, directory },
    runtime: loaded.pipeline.runtime,
    signal: controller.signal,
    input: (stage) => outputs.get(stage)!,
  };
  const events = (await stageRegistry.load(kind)).run(config, context).pipe(
    tap((event) => {
      if (event.type === 'progress' && event.done >= interruptAt) controller.abort();
    }),
    toArray(),
  );
  const all = await lastValueFrom(events);
  outputs.set(id, {
    ...{ stage: id, kind, directory, fingerprint: id, summary: {}, seconds: 0 },
    config: config as unknown as StageOutput['config'],
  });
  return all;
}

/** Digests of an output's weights and pictures, by path. */
async function digests(name: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const entry of await readdir(join(folder, name), { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !/\.(safetensors|png)$|^(model|index)\.json$/.test(entry.name)) continue;
    const path = join(entry.parentPath, entry.name);
    found[relative(join(folder, name), path)] = createHash('sha256')
      .update(await readFile(path))
      .digest('hex');
  }
  return found;
}

it('tells that something else computes than until the checkpoint that it goes on from', async () => {
  const train = defaultTrain.replace('steps: 1', 'steps: 300');
  await expect(run('train', train, 'moved', 2)).rejects.toThrow(/abort/i);
  const checkpoints = join(folder, 'moved', 'checkpoints');
  const [name] = await readdir(checkpoints);
  const manifest = join(checkpoints, name!, 'manifest.json');
  const written = JSON.parse(await readFile(manifest, 'utf8')) as { extra: object; sha256?: string };
  expect(written.extra).toMatchObject({ computedOn: 'processor' });
  const other = { ...written, extra: { ...written.extra, computedOn: 'NVIDIA H200' } };
  delete other.sha256;
  const sha256 = createHash('sha256').update(JSON.stringify(other)).digest('hex');
  await writeFile(manifest, JSON.stringify({ ...other, sha256 }));
  expect(await run('train', train, 'moved')).toContainEqual({
    type: 'notice',
    level: 'warning',
    message: expect.stringMatching(
      /^Until step \d+ NVIDIA H200 computed, now processor does: the numbers round otherwise/,
    ) as unknown,
  });
});

it('tells of a log that was cut short since the checkpoint that it goes on from', async () => {
  const train = defaultTrain.replace('steps: 1', 'steps: 300, logEverySteps: 1');
  await expect(run('train', train, 'cut', 2)).rejects.toThrow(/abort/i);
  const log = join(folder, 'cut', 'metrics.jsonl');
  const whole = await readFile(log, 'utf8');
  await writeFile(log, whole.slice(0, whole.indexOf('\n') + 9));
  expect(await run('train', train, 'cut')).toContainEqual({
    type: 'notice',
    level: 'warning',
    message: expect.stringMatching(
      /^metrics\.jsonl is not as it was at step (\d+): \d+ bytes were logged until then, and \d+ bytes are left, until step 1\./,
    ) as unknown,
  });
  const steps = (await readFile(log, 'utf8')).trim().split('\n');
  const [first, next] = steps.map((line) => (JSON.parse(line) as { step: number }).step);
  // Those of the lost session stay away; the others follow to the end.
  expect([first, next]).toEqual([1, 302 - steps.length]);
  expect(next).toBe(whole.trim().split('\n').length + 1);
});

describe('training on images that are encoded on the way', () => {
  const train = `{ uses: train, images: images, autoencoder: autoencoder, flips: true, crop: random, steps: 4,
    globalBatch: 2, interpolant: gvp, prediction: noise, lossWeight: { kind: minSnr }, timestepShift: { baseTokens: 4 },
    timesteps: { kind: logitNormal }, checkpoint: { everySteps: 100, keepLast: 1 }, model: MODEL,
    samples: { everySteps: 3, count: 2, steps: 2, guidanceScale: 1.5, autoencoder: autoencoder } }`;

  it('goes on after an interruption to the very same weights and pictures', async () => {
    const events = await run('train', train);
    expect(events).toContainEqual(expect.objectContaining({ message: 'Drew samples/step-000000003.png.' }));
    // Step 3 is under way then, or about to be: it is saved, and its picture is drawn or not, as time allows.
    await expect(run('train', train, 'interrupted', 2)).rejects.toThrow(/abort/i);
    expect(await readdir(join(folder, 'interrupted', 'checkpoints'))).toEqual(['step-000000003']);
    const second = await run('train', train, 'interrupted');
    expect(second).toContainEqual(expect.objectContaining({ message: 'Continues from step 3.' }));
    const whole = await digests('train');
    expect(await digests('interrupted')).toEqual(whole);
    expect(Object.keys(whole)).toHaveLength(4 + 1 + 2);
    const { grids } = JSON.parse(await readFile(join(folder, 'train', 'samples', 'index.json'), 'utf8')) as {
      grids: { step: number; file: string }[];
    };
    expect(grids.at(-1)).toEqual({ step: 3, file: 'step-000000003.png' });
    // Two tiles of 40 pixels beside each other, 2 pixels around each.
    const { width } = await sharp(join(folder, 'train', 'samples', 'step-000000003.png')).metadata();
    expect(width).toBe(2 * 42 + 2);
  }, 120_000);
});

describe('figures during training', () => {
  const train = `{ uses: train, images: images, autoencoder: autoencoder, steps: 7, globalBatch: 2, learningRate: 0.05,
    ema: 0.5, model: MODEL, logEverySteps: 2, checkpoint: { everySteps: 3, keepLast: 1 },
    evaluate: { everySteps: 3, reference: images, autoencoder: autoencoder, count: 5, steps: 2, best: frechetDistance } }`;
  const log = async (name: string) => readFile(join(folder, name, 'metrics.jsonl'), 'utf8');

  it('are the same after interruptions, and so is the average that did best', async () => {
    const events = await run('train', train, 'evaluated');
    const whole = await log('evaluated');
    const records = await readMetrics(join(folder, 'evaluated', 'metrics.jsonl'));
    expect(records.map(({ step }) => step)).toEqual([2, 3, 4, 6, 7]);
    const figures = ['frechetDistance', 'kernelDistance', 'kernelDistanceError', 'precision', 'recall'];
    for (const record of records.filter(({ step }) => [3, 6, 7].includes(step)))
      expect(Object.keys(record)).toEqual(expect.arrayContaining([...figures, 'classAgreement']));
    expect(events).toContainEqual(
      expect.objectContaining({
        message: expect.stringMatching(/^At step 3: Fréchet distance [\d.]+, kernel distance/) as string,
      }),
    );
    // Before and after the first checkpoint; at the step before the last.
    for (const [name, ends] of [
      ['twice', [2, 5]],
      ['late', [6]],
    ] as const) {
      for (const end of ends) await expect(run('train', train, name, end)).rejects.toThrow(/abort/i);
      await run('train', train, name);
      expect(await log(name)).toBe(whole);
      expect(await digests(name)).toEqual(await digests('evaluated'));
    }
    const distances = records.flatMap(({ step, frechetDistance }) =>
      frechetDistance === undefined ? [] : [[step, frechetDistance] as const],
    );
    const [best] = distances.toSorted(([, a], [, b]) => a - b)[0]!;
    expect(await readdir(join(folder, 'evaluated', 'best'))).toEqual([`step-00000000${best}`]);
    const saved = await readSavedModel(join(folder, 'evaluated'));
    expect(saved.weights.best).toBe(`best/step-00000000${best}/average.safetensors`);
    expect(events).toContainEqual(
      expect.objectContaining({ values: expect.objectContaining({ bestStep: best }) as unknown }),
    );
    // They are functions of the weights: the last step's are those of its average.
    if (best === 7)
      expect(await readFile(join(folder, 'evaluated', saved.weights.best!))).toEqual(
        await readFile(join(folder, 'evaluated', saved.weights.ema)),
      );
  }, 300_000);
});

describe('training that starts from another model', () => {
  const train = `{ uses: train, start: first, images: larger, autoencoder: autoencoder, steps: 1, globalBatch: 2,
    learningRate: 1e-30, model: MODEL }`;

  it('begins with its weights and moving average, carried to the larger latents', async () => {
    await run('first');
    await run('train', train, 'second');
    const [from, to] = await Promise.all(
      ['first', 'second'].map((name) => readSavedModel(join(folder, name))),
    );
    expect([from!.config.latentSize, to!.config.latentSize]).toEqual([10, 12]);
    expect(to!.normalization).toEqual(from!.normalization);
    const read = async (name: string, which: 'raw' | 'ema', tensor: string) => {
      const saved = name === 'first' ? from! : to!;
      const file = await openSafetensors(join(folder, name, saved.weights[which]));
      const { shape } = file.tensors.get(tensor)!;
      const value = float32(shape, await file.readFloat32(tensor));
      await file.close();
      return value;
    };
    for (const tensor of [
      'blocks.0.attention.mediatorBias.row',
      'blocks.1.mlp.in.weight',
      'labelEmbedding',
    ]) {
      const raw = await read('first', 'raw', tensor);
      const average = await read('first', 'ema', tensor);
      // The learning rate is too small to change a float32.
      const carried = (value: HostTensor) =>
        tensor.endsWith('.row') ? resizeTable(tensor, value, { from: 5, to: 6 }, [2, 4, 6]) : value;
      expect(await read('second', 'raw', tensor)).toEqual(carried(raw));
      // One step of the average moves it by 1e-4 of its distance, below 0.2, to the weights.
      expect(await read('second', 'ema', tensor)).toBeAllclose(carried(average), {
        absolute: 3e-5,
      });
      expect(raw.data).not.toEqual(average.data);
    }
  });
});
