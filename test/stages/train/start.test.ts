import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openSafetensors } from '../../../src/formats/safetensors/reader.js';
import { float32, floats, type HostTensors, SiT, sitParameters } from '../../../src/index.js';
import { sizeOf } from '../../../src/tensorflow/index.js';
import { readSavedModel } from '../../../src/weights/saved-files.js';
import { startPipeline, tinyPipeline } from '../../support/tiny-pipeline.js';

let folder: string;
let weights: HostTensors;

/** A teacher for smaller latents with full attention, of classes of which the images have two; weights as PyTorch has them. */
beforeAll(async () => {
  folder = await tinyPipeline();
  const sizes = { hiddenSize: 32, depth: 2, heads: 2, patchSize: 1, latentSize: 8, classes: 3, mediators: 0 };
  const config = SiT.configOf(sizes);
  weights = Object.fromEntries(
    sitParameters(config).map(({ name, shape }, k) => [
      name,
      float32(
        shape,
        Float32Array.from({ length: sizeOf(shape) }, (_, i) => 0.1 * Math.sin(3.7 * i + k)),
      ),
    ]),
  );
  const model = await SiT.create(config, { weights, runtime: { device: 'cpu', threads: 1 } });
  await model.save(join(folder, 'saved'));
  await model.close();
  const exported = await startPipeline(folder, ['export', 'saved', 'teacher.pt']);
  expect(exported.exitCode, exported.stderr).toBe(0);
}, 120_000);

afterAll(() => rm(folder, { recursive: true }));

const model = '{ hiddenSize: 32, depth: 3, heads: 2, patchSize: 1, mediators: [4, 0, 4] }';
const file = (heads = 2) =>
  `{ path: teacher.pt, heads: ${heads}, scalingFactor: 0.5, classes: [triangles, cat, circles] }`;

async function write(name: string, start: string, stage = ''): Promise<void> {
  const text = await readFile(join(folder, 'tiny.yaml'), 'utf8');
  const [head] = text.split('  train:\n');
  await writeFile(
    join(folder, `${name}.yaml`),
    `${head!.replace('name: tiny', `name: ${name}`)}${stage}  train: { uses: train, latents: latents, start: ${start}, model: ${model}, steps: 1, globalBatch: 2, learningRate: 1.0e-30, ema: [0.9, 0.5] }\n`,
  );
}

async function trained(name: string) {
  const directory = join(folder, 'runs', name, 'latest', 'train');
  const saved = await readSavedModel(directory);
  const tensors = await openSafetensors(join(directory, saved.weights.raw));
  const values = new Map<string, Float32Array>();
  for (const of of tensors.tensors.keys()) values.set(of, await tensors.readFloat32(of));
  await tensors.close();
  return { saved, values };
}

it('begins with weights as PyTorch has them: mediators in place of full attention, own classes, another size', async () => {
  await write('file', file());
  const planned = await startPipeline(folder, ['plan', 'file.yaml']);
  expect(planned.exitCode, planned.stderr).toBe(0);
  const taken = 'Weights: `model`; their moving average: `ema`';
  const told = [
    '30 tensors carried',
    '26 tensors new: attention.depthwise, attention.mediatorBias, attention.queryBias of blocks 0, 2; modulation, attention.qkv, attention.projection, mlp.in, mlp.out of block 2',
  ];
  for (const line of [...told, 'classes by their names, once they are known'])
    expect(planned.stdout).toContain(`start: ${line}`);
  const ran = await startPipeline(folder, ['run', 'file.yaml']);
  expect(ran.exitCode, ran.stdout + ran.stderr).toBe(0);
  const classes = '2 of 3 classes carried by name; new: squares; dropped: cat';
  expect(ran.stdout.replaceAll(/\s+/g, ' ')).toContain(
    `Starts from teacher.pt; ${taken}; ${told.join('; ')}; ${classes}.`,
  );
  const { saved, values } = await trained('file');
  expect(saved.classes).toEqual(['circles', 'squares', 'triangles']);
  const first = 'blocks.0.attention';
  for (const name of [
    'patchEmbedding.weight',
    `${first}.qkv.weight`,
    `${first}.projection.bias`,
    'blocks.1.mlp.in.bias',
  ])
    // A step of 1e-30 changes no number but zero.
    expect(values.get(name)).toBeAllclose(floats(weights[name]!), { absolute: 1e-29 });
  for (const name of ['depthwise.weight', 'mediatorBias.table', 'queryBias.row'])
    expect(
      values.get(`${first}.${name}`)!.every((value) => Math.abs(value) < 1e-29),
      name,
    ).toBe(true);
  const row = (label: number) => floats(weights.labelEmbedding!).subarray(32 * label, 32 * label + 32);
  const rows = [row(2), row(3), row(0), row(3)];
  const table = rows.flatMap((each) => [...each]);
  expect(values.get('labelEmbedding')).toBeAllclose(table, { absolute: 1e-29 });
  const manifest = JSON.parse(
    await readFile(join(folder, 'runs', 'file', 'latest', 'train', 'manifest.json'), 'utf8'),
  ) as { summary: { start: string[] } };
  expect(manifest.summary.start).toEqual(['from teacher.pt', taken, ...told, classes]);
  const again = await startPipeline(folder, ['plan', 'file.yaml', '--force', 'train']);
  expect(again.stdout).toContain(`start: ${classes}`);
}, 240_000);

it('begins the same through a `pretrained` stage', async () => {
  await write('stage', 'low', `  low: { uses: pretrained, ${file().slice(2)}\n`);
  const planned = await startPipeline(folder, ['plan', 'stage.yaml']);
  expect(planned.stdout, planned.stderr).toContain('start: 30 tensors carried');
  const ran = await startPipeline(folder, ['run', 'stage.yaml']);
  expect(ran.exitCode, ran.stdout + ran.stderr).toBe(0);
  expect((await trained('stage')).values).toEqual((await trained('file')).values);
}, 240_000);

it('is refused before anything runs where nothing fits, by `plan` and by `run`', async () => {
  await write('refused', file(4));
  for (const command of ['plan', 'run']) {
    const { exitCode, stdout, stderr } = await startPipeline(folder, [
      command,
      'refused.yaml',
      '--force',
      'images',
    ]);
    expect(exitCode).not.toBe(0);
    expect(stderr).toContain('teacher.pt: No weight fits: heads is 4 there and 2 here.');
    expect(stdout).not.toContain('images');
  }
}, 120_000);
