import { copyFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  TorchTensorSource,
  type TorchWritable,
  writeTorchCheckpoint,
} from '../../../src/formats/pytorch/write.js';
import type { TensorData } from '../../../src/formats/safetensors/header.js';
import { openSafetensors } from '../../../src/formats/safetensors/reader.js';
import { writeSafetensors } from '../../../src/formats/safetensors/writer.js';
import type { PretrainedConfig } from '../../../src/generated/index.js';
import { stage } from '../../../src/stages/pretrained/kind.js';
import type { SavedModel } from '../../../src/weights/saved-files.js';
import { fixturePath } from '../../support/fixture-checks.js';
import { runStage } from '../../support/run-stage.js';

let folder: string;
/** The tensors of the reference's checkpoint, as PyTorch wrote them out: `model.` and `ema.` before their names. */
const theirs = new Map<string, TensorData>();
const made: string[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pretrained '));
  await copyFile(fixturePath('reference_checkpoint.pt'), join(folder, 'reference.pt'));
  const file = await openSafetensors(fixturePath('reference_checkpoint.safetensors'));
  for (const name of file.tensors.keys()) theirs.set(name, await file.read(name));
  await file.close();
});
afterAll(async () => {
  for (const path of [folder, ...made]) await rm(path, { recursive: true, force: true });
});

async function take(path: string, options: Partial<PretrainedConfig> = {}) {
  const config: PretrainedConfig = { path, weights: 'all', ...options };
  const result = await runStage(stage, config, { pipelineDirectory: folder });
  made.push(result.directory);
  const model = JSON.parse(await readFile(join(result.directory, 'model.json'), 'utf8')) as SavedModel;
  const read = async (set: 'raw' | 'ema', name: string) => {
    const file = await openSafetensors(join(result.directory, model.weights[set]));
    const data = await file.readFloat32(name);
    await file.close();
    return data;
  };
  return { ...result, model, read };
}

/** Part of the checkpoint as a state dict in a file of its own. */
async function stateDict(name: string, change: (state: Map<string, TensorData>) => void = () => undefined) {
  const state = new Map(
    [...theirs].flatMap(([key, tensor]) =>
      key.startsWith('model.') ? [[key.slice('model.'.length), tensor] as const] : [],
    ),
  );
  change(state);
  await writeSafetensors(
    join(folder, name),
    [...state].map(([key, tensor]) => ({ name: key, ...tensor })),
  );
  return name;
}

async function torchFile(name: string, facts: Record<string, TorchWritable>, prefix = '') {
  const members = [...theirs].flatMap(([key, { dtype, shape, data }]) =>
    key.startsWith('model.')
      ? [[prefix + key.slice('model.'.length), new TorchTensorSource(dtype, shape, data)] as const]
      : [],
  );
  await writeTorchCheckpoint(join(folder, name), { ema: new Map(members), ...facts });
  return name;
}

describe('a checkpoint of the reference', () => {
  it('becomes what training leaves, its sizes read off its tensors', async () => {
    const { model, directory, summary } = await take('reference.pt');
    expect(model).toEqual({
      format: 'sit-1',
      config: {
        ...{ latentSize: 8, channels: 4, patchSize: 2, hiddenSize: 32, depth: 1, heads: 4, classes: 7 },
        ...{ mediators: [4], labelDropout: 0.1 },
      },
      ...{ interpolant: 'linear', prediction: 'velocity', steps: 42 },
      normalization: { mean: [0, 0, 0, 0], std: Array(4).fill(1 / 0.18215) },
      classes: ['0', '1', '2', '3', '4', '5', '6'],
      weights: { raw: 'weights.safetensors', ema: 'ema.safetensors' },
    });
    expect(summary).toMatchObject({ steps: 42, mediators: 4, heads: 4, latentSize: 8 });
    expect((await readdir(directory)).sort()).toEqual([
      'ema.safetensors',
      'model.json',
      'weights.safetensors',
    ]);
  });

  it.each([
    ['raw', 'model'],
    ['ema', 'ema'],
  ] as const)('keeps its %s weights, inputs before outputs', async (set, part) => {
    const { read } = await take('reference.pt');
    const qkv = await read(set, 'blocks.0.attention.qkv.weight');
    const expected = theirs.get(`${part}.blocks.0.attn.qkv.weight`)!.data;
    for (const [input, output] of [
      [0, 0],
      [31, 5],
      [7, 95],
    ] as const)
      expect(qkv[input * 96 + output]).toBe(expected[output * 32 + input]);
    const patch = await read(set, 'patchEmbedding.weight');
    const theirPatch = theirs.get(`${part}.x_embedder.proj.weight`)!.data;
    // Ours [row, column, channel, output], theirs [output, channel, row, column].
    expect(patch[((1 * 2 + 0) * 4 + 3) * 32 + 9]).toBe(theirPatch[((9 * 4 + 3) * 2 + 1) * 2 + 0]);
  });

  it('gives one of its sets for both where that is wanted', async () => {
    const { model, read } = await take('reference.pt', { weights: 'ema' });
    expect(model.weights).toEqual({ raw: 'weights.safetensors', ema: 'weights.safetensors' });
    expect(await read('raw', 'labelEmbedding')).toEqual(
      theirs.get('ema.y_embedder.embedding_table.weight')!.data,
    );
  });

  it('names classes by a list or a file', async () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
    await writeFile(join(folder, 'classes.txt'), `\uFEFF${names.join('\r\n')}\n`);
    await writeFile(join(folder, 'classes.json'), JSON.stringify(names));
    for (const classes of [names, { file: 'classes.txt' }, { file: 'classes.json' }])
      expect((await take('reference.pt', { classes })).model.classes).toEqual(names);
    await expect(take('reference.pt', { classes: ['a', 'b'] })).rejects.toMatchObject({
      code: 'class-count',
    });
    await writeFile(join(folder, 'twice.txt'), 'crane\nkite\ncrane\n');
    await expect(take('reference.pt', { classes: { file: 'twice.txt' } })).rejects.toThrow(
      /several classes: crane\./,
    );
  });

  it('takes names for a model that has its own only where they are the same', async () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
    const named = (await take('reference.pt', { classes: names })).directory;
    expect((await take(named)).model.classes).toEqual(names);
    expect((await take(named, { classes: names })).model.classes).toEqual(names);
    for (const classes of [['b', 'a', ...names.slice(2)], names.map((name) => name.toUpperCase())])
      await expect(take(named, { classes })).rejects.toMatchObject({
        code: 'weights-contradiction',
        message: expect.stringMatching(/`classes` calls class 0 [bA], the model calls it a\.$/) as string,
      });
    // One that was taken without names has none to contradict.
    const unnamed = (await take('reference.pt')).directory;
    expect((await take(unnamed, { classes: names })).model.classes).toEqual(names);
  });

  it('depends on the content of its files', () => {
    const config = { path: 'a.pt', weights: 'all', classes: { file: 'c.txt' } } as const;
    expect(stage.externalInputs(config, '/p')).toEqual(['/p/a.pt', '/p/c.txt']);
  });
});

describe('other files', () => {
  it('takes a bare state dict, and one that training in parallel wrapped', async () => {
    const bare = await take(await stateDict('bare.safetensors'));
    expect(bare.model.weights).toEqual({ raw: 'weights.safetensors', ema: 'weights.safetensors' });
    const wrapped = await take(await torchFile('wrapped.pt', { train_steps: 9 }, 'module.'));
    expect(wrapped.model.steps).toBe(9);
    const name = 'blocks.0.attention.depthwise.weight';
    expect(await wrapped.read('ema', name)).toEqual(await bare.read('raw', name));
  });

  it('takes what it left itself, whole or one file of it', async () => {
    const first = await take('reference.pt');
    const again = await take(first.directory);
    expect(again.model).toEqual(first.model);
    const average = await take(join(first.directory, 'ema.safetensors'));
    expect(average.model.weights.raw).toBe(average.model.weights.ema);
    expect(await average.read('raw', 'labelEmbedding')).toEqual(await first.read('ema', 'labelEmbedding'));
    await expect(take(first.directory, { interpolant: 'gvp' })).rejects.toThrow(
      /`interpolant: gvp` is asked for, the file says linear/,
    );
  });

  it('reads the path, the prediction and the null class from the options', async () => {
    const args = { path_type: 'GVP', prediction: 'noise', num_classes: 8, image_size: 64, mediator_num: 4 };
    const { model } = await take(await torchFile('args.pt', { args }));
    expect(model).toMatchObject({
      interpolant: 'gvp',
      prediction: 'noise',
      config: { classes: 8, labelDropout: 0 },
    });
    await expect(take('args.pt', { prediction: 'score' })).rejects.toThrow(
      /`prediction: score` is asked for, the file says noise/,
    );
  });
});

it('takes the tensors where options contradict them, and says so', async () => {
  const args = { image_size: 512, num_classes: 1000, mediator_num: 16 };
  const { model, summary } = await take(await torchFile('contradicting.pt', { args }));
  expect(model.config).toMatchObject({ latentSize: 8, classes: 7, mediators: [4] });
  const differs = 'Of two that differ, the tensors hold: its options say';
  expect(summary.taken).toEqual([
    'Weights and their moving average: `ema`, the only set that is used.',
    `${differs} image_size 512, its tensors 64.`,
    `${differs} num_classes 1000, its tensors 7.`,
    `${differs} mediator_num 16, its tensors 4.`,
  ]);
});

describe('refusals', () => {
  it('lists every tensor that is missing, unexpected or of another shape', async () => {
    const path = await stateDict('wrong.safetensors', (state) => {
      state.delete('final_layer.linear.bias');
      state.set('blocks.0.attn.qkv.bias', { dtype: 'F32', shape: [2], data: new Float32Array(2) });
      state.set('extra', { dtype: 'F32', shape: [1], data: new Float32Array(1) });
    });
    const error = (await take(path).catch((caught: unknown) => caught)) as Error;
    expect(error).toMatchObject({ code: 'checkpoint-mismatch' });
    expect(error.message.split('\n').slice(1)).toEqual([
      '  blocks.0.attn.qkv.bias has the shape [2], [96] is expected',
      '  final_layer.linear.bias is missing',
      '  extra is not expected',
    ]);
  });

  it('asks for heads that nothing tells', async () => {
    const path = await stateDict('plain.safetensors', (state) => {
      for (const name of [...state.keys()]) if (/_bias$|dwc/.test(name)) state.delete(name);
    });
    await expect(take(path)).rejects.toMatchObject({ code: 'heads-unknown' });
    expect((await take(path, { heads: 8, prediction: 'velocity' })).model.config).toMatchObject({
      heads: 8,
      mediators: [0],
    });
  });

  it('refuses a position embedding that was learned, which would be lost', async () => {
    const path = await stateDict('learned.safetensors', (state) => {
      const { shape, data } = state.get('pos_embed')!;
      state.set('pos_embed', {
        dtype: 'F32',
        shape,
        data: Float32Array.from(data as Float32Array, (x) => x + 0.1),
      });
    });
    await expect(take(path)).rejects.toThrow(/not the fixed sine-cosine embedding/);
  });

  it('refuses what holds no weights, and weights that nothing describes', async () => {
    await writeTorchCheckpoint(join(folder, 'empty.pt'), { optimizer: {}, epoch: 1 });
    await expect(take('empty.pt')).rejects.toThrow(/found the keys optimizer, epoch/);
    const first = await take('reference.pt');
    await copyFile(join(first.directory, 'ema.safetensors'), join(folder, 'lost.safetensors'));
    await expect(take('lost.safetensors')).rejects.toMatchObject({ code: 'model-undescribed' });
    await expect(take(folder)).rejects.toMatchObject({ code: 'model-invalid' });
  });
});
