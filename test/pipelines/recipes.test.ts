import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TrainConfig } from '../../src/generated/index.js';
import { carryLines } from '../../src/models/sit/carry.js';
import { positionEmbedding } from '../../src/nn/positions.js';
import { formatDiagnostics } from '../../src/runner/format-diagnostics.js';
import { loadPipeline } from '../../src/stages/load.js';
import { modelConfig } from '../../src/stages/train/config.js';
import { carryFrom } from '../../src/stages/train/start.js';
import { openModel } from '../../src/weights/open.js';
import { isLockFile } from '../../src/runner/yaml/text.js';
import type { SavedModel } from '../../src/weights/saved-files.js';
import { runCommand } from '../support/run-command.js';
import { writeTinyDiffusers } from '../support/tiny-diffusers.js';
import { startPipeline } from '../support/tiny-pipeline.js';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const recipes = join(root, 'pipelines');
const emoji = join(root, 'node_modules', 'emoji-datasource-google', 'img', 'google', '64');
let folder: string;
let autoencoder: string;

/** A small folder of real images: two classes of three emoji. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'recipes-'));
  autoencoder = await writeTinyDiffusers(join(folder, 'vae'));
  const names = (await readdir(emoji)).filter((name) => name.endsWith('.png')).slice(0, 6);
  for (const [i, name] of names.entries()) {
    const to = join(folder, 'data', i % 2 === 0 ? 'even' : 'odd');
    await mkdir(to, { recursive: true });
    await copyFile(join(emoji, name), join(to, name));
  }
});

afterAll(() => rm(folder, { recursive: true, force: true }));

async function recipeNames(): Promise<string[]> {
  const files: string[] = [];
  for (const name of await readdir(recipes))
    if (name.endsWith('.yaml') && !(await isLockFile(join(recipes, name)))) files.push(name);
  return files;
}

it('every file of pipelines/ is planned, or refused for want of its data', async () => {
  const env = { PIPELINE_RUNS: join(folder, 'plans'), PIPELINE_CACHE: process.env.PIPELINE_CACHE };
  for (const name of await recipeNames()) {
    const { exitCode, stdout, stderr } = await runCommand(['plan', join(recipes, name)], env);
    if (/^(draw|emoji|quickstart|results|sweep)/.test(name))
      expect([stderr, exitCode], name).toEqual(['', 0]);
    else {
      expect([stdout, exitCode], name).toEqual(['', 2]);
      expect(stderr, name).toMatch(/error|missing/);
      expect(stderr, name).not.toContain('Internal error');
    }
  }
});

it('every file of pipelines/ is valid, and says at its head how to run it', async () => {
  const files = await recipeNames();
  expect(files.length).toBeGreaterThanOrEqual(7);
  for (const name of files) {
    const loaded = await loadPipeline(join(recipes, name));
    expect(loaded.ok ? '' : formatDiagnostics(loaded.diagnostics)).toBe('');
    const head = (await readFile(join(recipes, name), 'utf8')).split('\nname:')[0]!;
    expect(head, name).toContain(`pipelines/${name}`);
    if (name.startsWith('imagenet')) expect(head, name).toMatch(/Hardware: .*Result/s);
  }
});

/** Runs a recipe on the small folder, at a small size and with few steps; gives what training left. */
async function run(recipe: string, size: number, settings: readonly string[]): Promise<SavedModel> {
  const set = [
    `stages.images.path=${join(folder, 'data')}`,
    `stages.images.size=${size}`,
    `stages.autoencoder.weights=${autoencoder}`,
    'stages.train.globalBatch=2',
    'stages.train.epochs=1',
    'stages.train.model.name=null',
    'stages.train.model.hiddenSize=16',
    'stages.train.model.depth=2',
    'stages.train.model.heads=2',
    'stages.train.model.patchSize=2',
    'stages.train.samples=null',
    'runtime.device=cpu',
    ...settings,
  ];
  const args = set.flatMap((setting) => ['--set', setting]);
  const { stdout, stderr, exitCode } = await startPipeline(folder, [
    'run',
    join(recipes, `${recipe}.yaml`),
    ...args,
  ]);
  expect(exitCode, stdout + stderr).toBe(0);
  const file = join(folder, 'runs', recipe, 'latest', 'train', 'model.json');
  return JSON.parse(await readFile(file, 'utf8')) as SavedModel;
}

/** Configurations of a recipe's stages, defaults applied. */
async function stagesOf(recipe: string): Promise<Record<string, unknown>> {
  const loaded = await loadPipeline(join(recipes, `${recipe}.yaml`));
  if (!loaded.ok) throw new Error(formatDiagnostics(loaded.diagnostics));
  return Object.fromEntries([...loaded.pipeline.stages].map(([id, { config }]) => [id, config]));
}

/** Tensors of the SiT-XL/2 that its authors publish. */
function publicXl(): Record<string, number[]> {
  const d = 1152;
  const dense = (name: string, inputs: number, outputs: number) => ({
    [`${name}.weight`]: [outputs, inputs],
    [`${name}.bias`]: [outputs],
  });
  const block = (i: number) => ({
    ...dense(`blocks.${i}.attn.qkv`, d, 3 * d),
    ...dense(`blocks.${i}.attn.proj`, d, d),
    ...dense(`blocks.${i}.mlp.fc1`, d, 4 * d),
    ...dense(`blocks.${i}.mlp.fc2`, 4 * d, d),
    ...dense(`blocks.${i}.adaLN_modulation.1`, d, 6 * d),
  });
  return Object.assign(
    {
      pos_embed: [1, 256, d],
      'x_embedder.proj.weight': [d, 4, 2, 2],
      'x_embedder.proj.bias': [d],
      ...dense('t_embedder.mlp.0', 256, d),
      ...dense('t_embedder.mlp.2', d, d),
      'y_embedder.embedding_table.weight': [1001, d],
      ...dense('final_layer.linear', d, 32),
      ...dense('final_layer.adaLN_modulation.1', d, 2 * d),
    },
    ...Array.from({ length: 28 }, (_, i) => block(i)),
  ) as Record<string, number[]>;
}

/** Writes a file of safetensors whose numbers, but for the first tensor's, are a hole that takes no room on the disk. */
async function writeHeader(
  path: string,
  shapes: Readonly<Record<string, number[]>>,
  first: Float32Array,
): Promise<void> {
  let end = 0;
  const entries = Object.entries(shapes).map(([name, shape]) => {
    const begin = end;
    end += 4 * shape.reduce((a, b) => a * b);
    return [name, { dtype: 'F32', shape, data_offsets: [begin, end] }] as const;
  });
  const header = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  await writeFile(path, Buffer.concat([length, header, Buffer.from(first.buffer)]));
  await truncate(path, 8 + header.length + end);
}

describe('the chain 256 → 512 → 1024, an eighth of the size', () => {
  const mediators = 'stages.train.model.mediators=4';
  const low = (recipe: string) => `stages.low.path=${join(folder, 'runs', recipe, 'latest', 'train')}`;

  it('trains from scratch', async () => {
    const model = await run('imagenet-256', 32, [
      mediators,
      'stages.sample.count=2',
      'stages.sample.sampler.steps=3',
    ]);
    expect(model).toMatchObject({
      config: { latentSize: 8, mediators: [4, 4] },
      steps: 3,
      classes: ['even', 'odd'],
    });
    // 1 / 0.18215: what the autoencoder's config.json asks for.
    expect(model.normalization.std[0]).toBeCloseTo(5.48998, 4);
  }, 120_000);

  it.each([
    ['imagenet-512', 'imagenet-256', 64],
    ['imagenet-1024', 'imagenet-512', 128],
  ])(
    '%s goes on from %s',
    async (recipe, from, size) => {
      const model = await run(recipe, size, [mediators, low(from)]);
      expect(model.config.latentSize).toBe(size / 4);
      expect(model.normalization.std[0]).toBeCloseTo(5.48998, 4);
    },
    120_000,
  );

  it('the finetuning of a plain model begins with one of another size, and names classes as its own', async () => {
    const model = await run('finetune-xl', 64, [
      `stages.train.start.path=${join(folder, 'runs', 'imagenet-256', 'latest', 'train')}`,
      'stages.train.model.mediators=[{blocks: [1, 1], mediators: 16}]',
      'stages.train.steps=null',
      'stages.sample.count=2',
      'stages.sample.sampler.steps=3',
    ]);
    expect(model.config).toMatchObject({ latentSize: 16, mediators: [0, 16] });
    expect(model.classes).toEqual(['even', 'odd']);
  }, 120_000);

  it('the finetuning fits the sizes of the public SiT-XL/2, of which headers are all that is read', async () => {
    const path = join(folder, 'SiT-XL-2-256.safetensors');
    await writeHeader(path, publicXl(), positionEmbedding(1152, 16));
    const { train } = await stagesOf('finetune-xl');
    const names = ['tench', 'a class of my own', 'goldfish'];
    const latents = { latentSize: 32, channels: 4, classes: names.length };
    const classes = Array.from({ length: 1000 }, (_, i) => ['tench', 'goldfish'][i] ?? `${i}`);
    const source = await openModel(path, { weights: 'all', classes });
    await source.close();
    const carry = carryFrom(path, source.description, train as TrainConfig, {
      config: modelConfig(train as TrainConfig, latents),
      classes: names,
    });
    const [carried, fresh, ofClasses, ...others] = carryLines(carry);
    expect(carried).toBe('290 tensors carried');
    expect(fresh).toBe(
      '32 tensors new: attention.depthwise, attention.mediatorBias, attention.queryBias of blocks 0–3',
    );
    expect(ofClasses).toMatch(/^2 of 3 classes carried by name; new: a class of my own; dropped: 2, 3, /);
    expect(others).toEqual([]);
  });

  it('says before any work that the model to start from is not there', async () => {
    const { stderr, stdout, exitCode } = await startPipeline(folder, [
      'run',
      join(recipes, 'imagenet-512.yaml'),
      ...['--set', `stages.images.path=${join(folder, 'data')}`],
      ...['--set', `stages.autoencoder.weights=${autoencoder}`],
      ...['--set', 'stages.low.path=nowhere.pt'],
    ]);
    expect(exitCode).not.toBe(0);
    expect(stdout + stderr).toContain('nowhere.pt');
    expect(stdout + stderr).not.toMatch(/images: \d|running/);
  });
});

it('the XL recipe runs with mediators in some blocks only', async () => {
  const model = await run('imagenet-xl', 32, [
    'stages.train.model.mediators=[{blocks: [0, 0], mediators: 4}]',
    'stages.train.model.depth=3',
    'stages.sample.count=2',
    'stages.sample.sampler.steps=3',
  ]);
  expect(model.config.mediators).toEqual([4, 0, 0]);
}, 120_000);

it('the recipes of SiT-B/2 are those of SiT-S/2 with another model', async () => {
  const training = async (recipe: string) => (await stagesOf(recipe)).train as TrainConfig;
  for (const size of [512, 1024]) {
    const small = await training(`imagenet-${size}`);
    const base = await training(`imagenet-b2-${size}`);
    const model = { ...small.model, name: 'SiT-B/2', hiddenSize: 768, heads: 12 };
    expect(base).toEqual({ ...small, model });
  }
});
