import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NpzFile } from '../../src/formats/npz.js';
import {
  TorchTensorSource,
  type TorchWritable,
  writeTorchCheckpoint,
} from '../../src/formats/pytorch/write.js';
import { openSafetensors, type SafetensorsFile } from '../../src/formats/safetensors/reader.js';
import { writeSafetensors } from '../../src/formats/safetensors/writer.js';
import { SiT } from '../../src/library/sit.js';
import { sitParameters } from '../../src/models/sit/config.js';
import { fromReference, referencePlace } from '../../src/models/sit/reference-names.js';
import { float32, int32 } from '../../src/tensorflow/index.js';
import type { ModelHints, ModelSource } from '../../src/weights/model-source.js';
import { openModel } from '../../src/weights/open.js';
import { fixturePath } from '../support/fixture-checks.js';

let folder: string;
let plain: SafetensorsFile;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'checkpoints-'));
  plain = await openSafetensors(fixturePath('people.safetensors'));
});
afterAll(async () => {
  await plain.close();
  await rm(folder, { recursive: true });
});

async function opened<T>(
  path: string,
  use: (source: ModelSource) => Promise<T> | T,
  hints: Partial<ModelHints> = {},
): Promise<T> {
  const source = await openModel(path, { weights: 'all', ...hints });
  try {
    return await use(source);
  } finally {
    await source.close();
  }
}

/** Checks that each set of a source is that part of what PyTorch wrote plainly, to the bit. */
async function expectSets(source: ModelSource, parts: { raw: string; ema: string }): Promise<void> {
  const { config } = source.description;
  for (const set of ['raw', 'ema'] as const)
    for (const parameter of sitParameters(config)) {
      const { name } = referencePlace(parameter, config);
      const values = await plain.readFloat32(`${parts[set]}.${name}`);
      expect(await source.read(set, parameter), `${set} ${name}`).toEqual(
        fromReference(values, parameter, config),
      );
    }
}

const both = { raw: 'model', ema: 'ema' };

/** The tensors of a part, under a prefix. */
async function state(
  part: 'model' | 'ema',
  rename = (name: string) => name,
): Promise<Map<string, TorchWritable>> {
  const members = await Promise.all(
    [...plain.tensors.keys()]
      .filter((name) => name.startsWith(`${part}.`))
      .map(async (name) => {
        const { dtype, shape, data } = await plain.read(name);
        return [rename(name.slice(part.length + 1)), new TorchTensorSource(dtype, shape, data)] as const;
      }),
  );
  return new Map(members);
}

async function written(value: TorchWritable): Promise<string> {
  const path = join(folder, 'made.pt');
  await writeTorchCheckpoint(path, value);
  return path;
}

describe('files of PyTorch', () => {
  it('are read through wrappers of every kind, beside options of every class', async () => {
    await opened(fixturePath('people_wrapped.pt'), async (source) => {
      await expectSets(source, both);
      expect(source.description).toMatchObject({ interpolant: 'gvp', steps: 7, config: { latentSize: 4 } });
      expect(source.told).toEqual([
        'Weights: `net`; their moving average: `model_ema`.',
        'Left out, as no part of the model: n_averaged.',
        expect.stringMatching(
          /^Passed over, as of unknown classes: __main__\.Color, .*Nothing of them was executed/,
        ),
        'Of two that differ, the tensors hold: its options say image_size 4096, its tensors 32.',
      ]);
    });
  });

  it('are read with views, attributes and whole modules', async () => {
    await opened(fixturePath('people_views.pt'), async (source) => {
      await expectSets(source, both);
      expect(source.told[0]).toBe('Weights: `model`; their moving average: `ema`.');
    });
  });

  it("of REPA compute what REPA's own code computes, with time from noise to data", async () => {
    const expected = await openSafetensors(fixturePath('people_repa.safetensors'));
    const [x, t, y, out] = await Promise.all(
      ['x', 't', 'out'].map((name) => expected.readFloat32(name)),
    ).then(async ([x, t, out]) => [x!, t!, (await expected.read('y')).data as BigInt64Array, out!] as const);
    await expected.close();
    const model = await SiT.open(fixturePath('people_repa.pt'), { heads: 2 });
    const turned = (values: Float32Array, to: 'rows' | 'channels') =>
      Float32Array.from({ length: values.length }, (_, i) => {
        const [sample, rest] = [Math.floor(i / 32), i % 32];
        const from = to === 'channels' ? (rest % 2) * 16 + (rest >> 1) : (rest % 16) * 2 + (rest >> 4);
        return values[sample * 32 + from]!;
      });
    const output = await model.call(
      float32([3, 4, 4, 2], turned(x, 'channels')),
      float32(
        [3],
        t.map((time) => 1 - time),
      ),
      int32([3], Int32Array.from(y, Number)),
    );
    await model.close();
    const found = turned(output.data as Float32Array, 'rows');
    for (const [i, value] of out.entries()) expect(-found[i]!).toBeCloseTo(value, 4);
  });
});

describe('whichever keys lead to them', () => {
  it.each(['model_ema', 'ema_state_dict', 'net_ema', 'modelEMA', 'averaged_model', 'ema_0.9999', 'EMA'])(
    'the average is found under %s',
    async (key) => {
      const path = await written({ model: await state('model'), [key]: await state('ema'), epoch: 3 });
      await opened(path, (source) => expectSets(source, both));
    },
  );

  it.each([
    ['DeepSpeed', async () => ({ module: await state('model') })],
    ['Lightning', async () => ({ state_dict: await state('model', (name) => `model.${name}`), epoch: 1 })],
    [
      'nested',
      async () => ({
        trainer: { nets: [{ weights: await state('model') }] },
        optimizer: { exp_avg: await state('ema') },
      }),
    ],
    [
      'in a mixture',
      async () => ({
        net: await state('model', (name) =>
          name.startsWith('blocks')
            ? `_fsdp_wrapped_module.${name.replace('.0.', '.0._orig_mod._checkpoint_wrapped_module.')}`
            : `_forward_module.${name}`,
        ),
      }),
    ],
  ])('the weights are found: %s', async (_, make) => {
    await opened(await written(await make()), (source) => expectSets(source, { raw: 'model', ema: 'model' }));
  });

  it.each([
    [
      'a list in the order of parameters',
      async () => ({ model: await state('model'), ema: { decay: 0.9, shadow_params: await ordered() } }),
    ],
    [
      'names without dots',
      async () => ({
        state_dict: new Map([
          ...(await state('model', (name) => `model.diffusion_model.${name}`)),
          ...(await state('ema', (name) => `model_ema.${`diffusion_model.${name}`.replaceAll('.', '')}`)),
        ]),
      }),
    ],
  ])('the average is found as %s', async (_, make) => {
    await opened(await written(await make()), (source) => expectSets(source, both));
  });

  it('several that fit are refused, and told apart by their keys', async () => {
    const sets = async () => ({
      model: await state('model'),
      'ema_0.99': await state('model'),
      'ema_0.9999': await state('ema'),
    });
    const path = await written(await sets());
    await expect(openModel(path, { weights: 'all' })).rejects.toMatchObject({
      code: 'weights-ambiguous',
      message: `${path}: 2 moving averages fit: \`ema_0.99\`, \`ema_0.9999\`.`,
      remedy: expect.stringContaining('--key ema_0.99') as string,
    });
    await opened(path, (source) => expectSets(source, both), { key: ['model', 'ema_0.9999'] });
    await opened(path, (source) => expectSets(source, { raw: 'ema', ema: 'ema' }), { key: 'ema_0.9999' });
    await expect(openModel(path, { weights: 'all', key: 'ema_0.5' })).rejects.toThrow(
      /`key: ema_0\.5` is asked for, which is none of the sets of weights in it: `model`, `ema_0\.99`, `ema_0\.9999`/,
    );
  });

  it('an average that does not fit is not passed over', async () => {
    const path = await written({
      model: await state('model'),
      model_ema: await state('ema', (name) => name.replaceAll('.', '/')),
    });
    await expect(openModel(path, { weights: 'all' })).rejects.toThrow(
      /under `model_ema` seem to be a moving average/,
    );
    await opened(path, (source) => expectSets(source, { raw: 'model', ema: 'model' }), { weights: 'raw' });
  });

  async function ordered(): Promise<TorchWritable[]> {
    const members = await state('ema');
    // `model.parameters()` of the reference gives a block's tables before its layers.
    const { referenceOrder } = await import('../../src/models/sit/reference-state.js');
    const names = await opened(fixturePath('people_views.pt'), ({ description }) =>
      referenceOrder(description.config),
    );
    return names.map((name) => members.get(name)!);
  }
});

describe("others' models", () => {
  const plainSiT = async (change: (name: string, data: Float32Array) => Float32Array = (_, data) => data) => {
    const file = await openSafetensors(fixturePath('people.safetensors'));
    const tensors = await Promise.all(
      [...file.tensors]
        .filter(([name]) => /^model\.(?!.*(_bias$|dwc))/.test(name))
        .map(async ([name, { shape }]) => {
          const own = name.slice('model.'.length);
          const data = change(own, await file.readFloat32(name));
          return {
            name: own,
            dtype: 'F32' as const,
            shape:
              data.length === shape.reduce((a, b) => a * b, 1)
                ? shape
                : [data.length / shape.slice(1).reduce((a, b) => a * b, 1), ...shape.slice(1)],
            data,
          };
        }),
    );
    await file.close();
    const path = join(folder, 'plain.safetensors');
    await writeSafetensors(path, tensors);
    return path;
  };
  /** The rows of the last layer that are a sample's, of two channels' halves: one of two. */
  const isSample = (i: number, columns: number) => Math.floor(i / columns) % 2 === 0;
  const last = (name: string) => name.startsWith('final_layer.linear');
  const columnsOf = (name: string) => (name.endsWith('weight') ? 4 : 1);

  it('a DiT is refused by its options, and by a variance that it learned', async () => {
    const told = await written({ ema: await state('ema'), args: { model: 'DiT-XL/2' } });
    await expect(openModel(told, { weights: 'all' })).rejects.toThrow(
      /its options say that it is a DiT-XL\/2/,
    );
    const bare = await plainSiT();
    await expect(openModel(bare, { weights: 'all', heads: 2 })).rejects.toMatchObject({
      code: 'model-not-sit',
    });
    await opened(
      bare,
      ({ told }) => {
        expect(told).toEqual([]);
      },
      { heads: 2, prediction: 'velocity' },
    );
    const untrained = await plainSiT((name, data) =>
      last(name) ? data.map((value, i) => (isSample(i, columnsOf(name)) ? value : 0)) : data,
    );
    await opened(
      untrained,
      ({ told }) => {
        expect(told).toEqual([]);
      },
      { heads: 2 },
    );
  });

  it.each([
    ['people_dit_diffusers.safetensors', /it holds a transformer of diffusers, such as its DiT/],
    ['autoencoders/kl_f2.ckpt', /it holds an autoencoder/],
  ])('others are named as what they are: %s', async (file, message) => {
    await expect(openModel(fixturePath(file), { weights: 'all', heads: 2 })).rejects.toMatchObject({
      code: 'model-not-sit',
      message: expect.stringMatching(message) as string,
    });
  });

  it('a LightningDiT is one with other blocks, whose scale must be said', async () => {
    const path = fixturePath('people_lightningdit.pt');
    await expect(openModel(path, { weights: 'all' })).rejects.toMatchObject({ code: 'scale-unknown' });
    const source = await openModel(path, { weights: 'all', scalingFactor: 1 });
    // Its tables of rotary positions tell the heads.
    expect(source.description.config).toEqual({
      ...{ latentSize: 4, channels: 2, patchSize: 1, hiddenSize: 8, depth: 1, heads: 2, classes: 2 },
      ...{ mediators: [0], labelDropout: 0.1, rmsNorm: true, swiGlu: true, rope: 4 },
    });
    const gates = sitParameters(source.description.config).find(
      ({ name }) => name === 'blocks.0.mlp.in.weight',
    )!;
    // Two thirds of 4 · 8, rounded down, twice.
    expect((await source.read('ema', gates)).shape).toEqual([8, 42]);
    await source.close();
  });

  it('a name tells a DiT where nothing in the file does', async () => {
    const half = await plainSiT((name, data) =>
      last(name) ? data.filter((_, i) => isSample(i, columnsOf(name))) : data,
    );
    const path = join(folder, 'DiT-XL-2-256x256.safetensors');
    await copyFile(half, path);
    await expect(openModel(path, { weights: 'all', heads: 2 })).rejects.toThrow(/by its name it is a DiT/);
    const accept = (told: ModelSource) => {
      expect(told.description.prediction).toBe('velocity');
    };
    await opened(path, accept, { heads: 2, prediction: 'velocity' });
    const repa = join(folder, 'SiT-XL-2-256.safetensors');
    await copyFile(half, repa);
    await opened(repa, accept, { heads: 2 });
  });

  it('a model without a variance is filled with zeros, which is told', async () => {
    const half = await plainSiT((name, data) =>
      last(name) ? data.filter((_, i) => isSample(i, columnsOf(name))) : data,
    );
    await opened(
      half,
      async (source) => {
        expect(source.told).toEqual([
          'It predicts no variance, which is not used: the last layer is filled with zeros.',
        ]);
        const bias = sitParameters(source.description.config).find(
          ({ name }) => name === 'final.projection.bias',
        )!;
        const { data } = await source.read('raw', bias);
        const expected = await plain.readFloat32('model.final_layer.linear.bias');
        expect(data).toEqual(expected.map((value, i) => (isSample(i, 1) ? value : 0)));
      },
      { heads: 2 },
    );
  });
});

describe('files that are something else', () => {
  it.each([
    [
      'lfs.pt',
      'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 2700123\n',
      /a pointer of Git LFS to 2700123 bytes/,
    ],
    [
      'page.safetensors',
      '<!DOCTYPE html><title>Virus scan warning</title>',
      /a web page \("Virus scan warning"\)/,
    ],
    ['empty.pt', '', /it is empty/],
    ['zeros.pt', '\0'.repeat(4096), /zeros only/],
    ['refusal.pt', '{"error":"Invalid username or password."}', /a server's refusal: \{"error"/],
    ['array.pt', '\x93NUMPY\x01\0', /one array of NumPy/],
    ['packed.pt', '\x1f\x8b\x08', /compressed by gzip/],
  ])('%s', async (name, content, message) => {
    await writeFile(join(folder, name), content, 'latin1');
    await expect(openModel(join(folder, name), { weights: 'all' })).rejects.toMatchObject({
      code: 'file-foreign',
      message: expect.stringMatching(message) as string,
    });
  });

  it('a shard is a pointer of Git LFS, where git fetched the index only', async () => {
    const pointer = 'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 2700123\n';
    for (const kind of ['safetensors', 'bin']) {
      const index = join(folder, `model.${kind}.index.json`);
      await writeFile(index, JSON.stringify({ weight_map: { a: `shard.${kind}` } }));
      await writeFile(join(folder, `shard.${kind}`), pointer);
      await expect(openModel(index, { weights: 'all' })).rejects.toThrow(
        `shard.${kind}: it is a pointer of Git LFS to 2700123 bytes`,
      );
      await writeFile(index, '<!DOCTYPE html><title>Login</title>');
      await expect(openModel(index, { weights: 'all' })).rejects.toThrow(/a web page \("Login"\)/);
      await writeFile(index, '{"weight_map":{"a":".."}}');
      await expect(openModel(index, { weights: 'all' })).rejects.toThrow(/does not name a file for each/);
    }
  });

  it('what nests deeper than any program is passed over, without a danger to the stack', async () => {
    let deep: TorchWritable = 1;
    for (let i = 0; i < 1500; i++) deep = [deep];
    await opened(await written({ model: await state('model'), log: deep }), (source) => {
      expect(source.told).toContain(
        'Passed over, as of unknown classes: a value nested more than 1000 deep. Nothing of them was executed.',
      );
    });
  });

  it('one array of NumPy in the place of an archive is named', async () => {
    const path = join(folder, 'statistics.npz');
    await writeFile(path, Buffer.from('\x93NUMPY\x01\0', 'latin1'));
    await expect(NpzFile.open(path)).rejects.toThrow(/it is one array of NumPy \(\.npy\)/);
  });

  it('folders are told by what is in them', async () => {
    const dcp = join(folder, 'dcp');
    await mkdir(dcp);
    for (const name of ['.metadata', '__0_0.distcp']) await writeFile(join(dcp, name), '');
    await expect(openModel(dcp, { weights: 'all' })).rejects.toThrow(/a distributed checkpoint of PyTorch/);
    const part = join(dcp, '__0_0.distcp');
    await writeFile(part, 'PK\x03\x04');
    await expect(openModel(part, { weights: 'all' })).rejects.toThrow(/a part of a distributed checkpoint/);
    const accelerate = join(folder, 'accelerate');
    await mkdir(accelerate);
    for (const name of ['model.safetensors', 'optimizer.json']) await writeFile(join(accelerate, name), '');
    await expect(openModel(accelerate, { weights: 'all' })).rejects.toThrow(
      /found the weights model\.safetensors\./,
    );
  });

  it('the content says what a file is, not its name', async () => {
    const [torch, tensors] = [join(folder, 'torch.safetensors'), join(folder, 'tensors.bin')];
    await copyFile(fixturePath('people_views.pt'), torch);
    await copyFile(fixturePath('people.safetensors'), tensors);
    for (const path of [torch, tensors]) await opened(path, (source) => expectSets(source, both));
    const cut = await readFile(torch);
    await writeFile(torch, cut.subarray(0, cut.length / 2));
    await expect(openModel(torch, { weights: 'all' })).rejects.toMatchObject({ code: 'zip-invalid' });
  });
});
