import { copyFile, cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { TorchTensorSource, writeTorchCheckpoint } from '../../src/formats/pytorch/write.js';
import { openSafetensors, type SafetensorsFile } from '../../src/formats/safetensors/reader.js';
import { writeSafetensors } from '../../src/formats/safetensors/writer.js';
import { openWeightsFile } from '../../src/formats/weights-file.js';
import type { PretrainedAutoencoderConfig } from '../../src/generated/index.js';
import { stage } from '../../src/stages/autoencoder/kind.js';
import { float32, floats, type HostTensor } from '../../src/tensorflow/index.js';
import { autoencoderPlace } from '../../src/weights/autoencoder-download.js';
import { openWeights } from '../../src/weights/open.js';
import { Autoencoder } from '../../src/weights/saved-autoencoder.js';
import { writeDiffusers } from '../../src/weights/write.js';
import { commit, type Files, HubServer } from '../formats/hub/hub-server.js';
import { fixturePath } from '../support/fixture-checks.js';
import { runStage } from '../support/run-stage.js';

let folder: string;
let expected: SafetensorsFile;
const made: string[] = [];
const fixture = (name: string) => fixturePath(`autoencoders/${name}`);
const runtime = { device: 'cpu', precision: 'float32', threads: 1, workers: 1 } as const;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'autoencoders-'));
  expected = await openSafetensors(fixture('expected.safetensors'));
});
afterAll(async () => {
  await expected.close();
  for (const path of [folder, ...made]) await rm(path, { recursive: true, force: true });
});

/** A tensor that the others' code computed, [batch, height, width, channels]. */
async function theirs(name: string): Promise<HostTensor> {
  const values = await expected.readFloat32(name);
  const [n, c, h, w] = expected.tensors.get(name)!.shape as [number, number, number, number];
  const out = Float32Array.from({ length: values.length }, (_, i) => {
    const [channel, pixel, item] = [i % c, Math.floor(i / c) % (h * w), Math.floor(i / (c * h * w))];
    return values[(item * c + channel) * h * w + pixel]!;
  });
  return float32([n, h, w, c], out);
}

async function take(config: Omit<PretrainedAutoencoderConfig, 'uses'>, pins?: Record<string, string>) {
  const result = await runStage(stage, config, { pipelineDirectory: folder, ...(pins && { pins }) });
  made.push(result.directory);
  return result;
}

/** What an output of the stage makes of the images of the fixture. */
async function computed(directory: string) {
  const autoencoder = await Autoencoder.open(directory, runtime);
  const { mean } = await autoencoder.encode(await theirs('image'));
  const decoded = await autoencoder.decode(mean);
  const { normalization } = autoencoder;
  await autoencoder.close();
  return { mean, decoded, normalization: normalization! };
}

/** Sums in another order. */
const tolerance = { ofLargest: 1e-4 };

describe("diffusers' folders", () => {
  it.each(['sd3', 'sd3_fp16', 'sd3_bin'])(
    'in shards, without convolutions about latents: %s',
    async (name) => {
      const { directory, summary } = await take({ weights: fixture(name) });
      expect(summary).toEqual({
        ...{ latentChannels: 16, downsample: 2, scalingFactor: 1.5305, shiftFactor: 0.0609 },
      });
      const { mean, decoded, normalization } = await computed(directory);
      expect(mean).toBeAllclose(await theirs('sd3.mean'), tolerance);
      expect(decoded).toBeAllclose(await theirs('sd3.decoded'), tolerance);
      expect(normalization.mean).toEqual(Array(16).fill(0.0609));
      expect(normalization.std).toEqual(Array(16).fill(1 / 1.5305));
    },
  );

  it('as vae/ of a whole pipeline', async () => {
    await cp(fixture('sd3'), join(folder, 'pipeline', 'vae'), { recursive: true });
    await writeFile(join(folder, 'pipeline', 'model_index.json'), '{}');
    expect((await take({ weights: 'pipeline' })).summary).toMatchObject({ latentChannels: 16 });
  });

  it('are given back as they were', async () => {
    const { directory } = await take({ weights: fixture('sd3') });
    const opened = await openWeights(directory, { weights: 'all' }, { env: {} });
    if (opened.kind !== 'autoencoder') throw new Error('no autoencoder');
    const target = join(folder, 'back');
    await mkdir(target);
    const work = { tell: () => undefined, signal: new AbortController().signal };
    await writeDiffusers(opened.source, target, work);
    await opened.source.close();
    const config = async (path: string) =>
      JSON.parse(await readFile(join(path, 'config.json'), 'utf8')) as Record<string, unknown>;
    expect(await config(fixture('sd3'))).toMatchObject(await config(target));
    const { mean } = await computed((await take({ weights: target })).directory);
    expect(mean).toBeAllclose(await theirs('sd3.mean'), tolerance);
  });

  it("of which a scale is said that is not the configuration's, with a warning", async () => {
    const { summary, events } = await take({
      weights: fixture('sd3'),
      scalingFactor: 1,
      shiftFactor: 0.0609,
    });
    expect(summary).toMatchObject({ scalingFactor: 1, shiftFactor: 0.0609 });
    expect(warnings(events)).toEqual([
      `\`scalingFactor: 1\` is taken, ${fixture('sd3/config.json')} says 1.5305.`,
    ]);
  });
});

const warnings = (events: readonly { readonly type: string }[]) =>
  events.flatMap((event) =>
    'level' in event && event.level === 'warning' && 'message' in event ? [event.message] : [],
  );

describe('files of weights', () => {
  it("with latent diffusion's names, and the loss beside", async () => {
    const { directory, summary, events } = await take({ weights: fixture('kl_f2.ckpt') });
    expect(summary).toEqual({ latentChannels: 4, downsample: 2, scalingFactor: 0.18215 });
    expect(warnings(events)).toEqual([
      expect.stringMatching(/0\.18215 is assumed, as for Stable Diffusion 1 and 2; .*0\.13025 for SDXL\.$/),
    ]);
    const { mean, decoded } = await computed(directory);
    expect(mean).toBeAllclose(await theirs('ldm.mean'), tolerance);
    expect(decoded).toBeAllclose(await theirs('ldm.decoded'), tolerance);
    const said = await take({ weights: fixture('kl_f2.ckpt'), scalingFactor: 0.13025 });
    expect(warnings(said.events)).toEqual([]);
  });

  /** The tensors of latent diffusion's checkpoint, some of them under other names. */
  async function written(name: string, rename: (name: string) => string | undefined): Promise<string> {
    const file = await openWeightsFile(fixture('kl_f2.ckpt'));
    const group = file.groups.find(({ key }) => key === 'state_dict')!;
    const tensors = await Promise.all(
      [...group.tensors]
        .flatMap(([from, tensor]) => {
          const to = rename(from);
          return to === undefined ? [] : [{ to, shape: tensor.shape, data: tensor.read() }];
        })
        .map(async ({ to, shape, data }) => ({ name: to, dtype: 'F32' as const, shape, data: await data })),
    );
    await file.close();
    const path = join(folder, name);
    if (name.endsWith('.safetensors')) await writeSafetensors(path, tensors);
    else
      await writeTorchCheckpoint(path, {
        state_dict: new Map(
          tensors.map(({ name: to, dtype, shape, data }) => [to, new TorchTensorSource(dtype, shape, data)]),
        ),
      });
    return path;
  }

  const own = /^(encoder|decoder|quant_conv|post_quant_conv)\./;

  it("with FLUX's names, scaled as its own code scales", async () => {
    const weights = await written('ae.safetensors', (name) =>
      /^(encoder|decoder)\./.test(name) ? name : undefined,
    );
    const { directory, summary } = await take({ weights, scalingFactor: 0.3611, shiftFactor: 0.1159 });
    expect(summary).toMatchObject({ scalingFactor: 0.3611, shiftFactor: 0.1159 });
    const { mean, decoded, normalization } = await computed(directory);
    const latent = floats(mean).map((value) => (value - normalization.mean[0]!) / normalization.std[0]!);
    expect(float32(mean.shape, latent)).toBeAllclose(await theirs('flux.latent'), tolerance);
    expect(decoded).toBeAllclose(await theirs('flux.decoded'), tolerance);
  });

  it('in a whole Stable Diffusion, whose averages are of its other parts', async () => {
    const weights = await written('v1.ckpt', (name) => {
      if (own.test(name)) return `first_stage_model.${name}`;
      return name.startsWith('loss.')
        ? name.replace('loss.', 'model_ema.diffusion_modelinput_blocks')
        : undefined;
    });
    const { directory } = await take({ weights });
    expect((await computed(directory)).mean).toBeAllclose(await theirs('ldm.mean'), tolerance);
  });

  it('are told from models when they are imported', async () => {
    const opened = await openWeights(fixture('kl_f2.ckpt'), { weights: 'all' }, { env: {} });
    expect(opened.kind).toBe('autoencoder');
    await opened.source.close();
    const model = await openWeights(fixturePath('reference_checkpoint.pt'), { weights: 'all' }, { env: {} });
    expect(model.kind).toBe('model');
    await model.source.close();
  });

  it.each([
    [
      'a codebook',
      'vq.ckpt',
      (name: string) => name.replace('post_quant_conv.bias', 'quantize.embedding.weight'),
      'entries of a codebook',
    ],
    [
      'attention at other resolutions',
      'f16.ckpt',
      (name: string) => name.replace('encoder.mid.attn_1.norm', 'encoder.down.1.attn.0.norm'),
      'attention beside the middle',
    ],
    [
      'a part that is not there',
      'cut.ckpt',
      (name: string) => (name === 'decoder.conv_out.bias' ? undefined : name),
      'decoder.conv_out.bias is missing',
    ],
  ])('with %s are refused with the reason', async (_, name, rename, message) => {
    await expect(take({ weights: await written(name, rename) })).rejects.toThrow(message);
  });

  it('of other than four channels need a scale', async () => {
    const own = /^(encoder|decoder)\./;
    const file = await openWeightsFile(await written('four.safetensors', (name) => own.exec(name)?.input));
    const tensors = await Promise.all(
      [...file.groups[0]!.tensors].map(async ([name, tensor]) => {
        const { shape } = tensor;
        const wide: Readonly<Record<string, readonly number[]>> = {
          'encoder.conv_out.weight': [32, ...shape.slice(1)],
          'encoder.conv_out.bias': [32],
          'decoder.conv_in.weight': [shape[0]!, 16, ...shape.slice(2)],
        };
        const to = wide[name];
        const data =
          to === undefined ? await tensor.read() : new Float32Array(to.reduce((n, size) => n * size));
        return { name, dtype: 'F32' as const, shape: to ?? shape, data };
      }),
    );
    await file.close();
    const weights = join(folder, 'sixteen.safetensors');
    await writeSafetensors(weights, tensors);
    await expect(take({ weights })).rejects.toMatchObject({
      code: 'scale-unknown',
      remedy: expect.stringContaining('0.3611 and `shiftFactor: 0.1159` for FLUX') as string,
    });
    const { summary } = await take({ weights, scalingFactor: 1.5305, shiftFactor: 0.0609 });
    expect(summary).toMatchObject({ latentChannels: 16, shiftFactor: 0.0609 });
  });

  it('of widths that 32 does not divide need a configuration', async () => {
    const names = ['-00001-of-00002.safetensors', '-00002-of-00002.safetensors', '.safetensors.index.json'];
    await mkdir(join(folder, 'narrow'));
    for (const name of names.slice(0, 2))
      await copyFile(
        fixture(`sd3/diffusion_pytorch_model${name}`),
        join(folder, 'narrow', `diffusion_pytorch_model${name}`),
      );
    const index = join(folder, 'narrow', `vae${names[2]!}`);
    await copyFile(fixture(`sd3/diffusion_pytorch_model${names[2]!}`), index);
    await expect(take({ weights: index })).rejects.toThrow(/widths 8, 8 are no multiples of 32/);
  });
});

describe('on Hugging Face', () => {
  const wholeFolder = async (name: string, prefix: string): Promise<Files> => {
    const { readdir } = await import('node:fs/promises');
    const names = await readdir(fixture(name));
    return Object.fromEntries(
      await Promise.all(
        names.map(async (file) => [
          prefix + file,
          { content: await readFile(join(fixture(name), file)), large: !file.endsWith('.json') },
        ]),
      ),
    ) as Files;
  };

  it.each([
    ['lab/all', 'a whole pipeline, of which one part is taken', ''],
    ['hf://lab/all', 'the same by an address', ''],
    ['hf://lab/all/vae@main', 'a folder', '/vae'],
    ['hf://lab/all/files/kl_f2.ckpt', 'a file', '/files/kl_f2.ckpt'],
    [
      'hf://lab/all/half/diffusion_pytorch_model.safetensors.index.fp16.json',
      'an index, with its configuration',
      '/half/diffusion_pytorch_model.safetensors.index.fp16.json',
    ],
  ])('%s: %s', async (weights, _, part) => {
    const home = await mkdtemp(join(tmpdir(), 'hub-'));
    made.push(home);
    const server = await HubServer.start('lab/all', {
      'model_index.json': { content: Buffer.from('{}') },
      'unet/diffusion_pytorch_model.safetensors': { content: Buffer.alloc(100), large: true },
      'files/kl_f2.ckpt': { content: await readFile(fixture('kl_f2.ckpt')), large: true },
      ...(await wholeFolder('sd3', 'vae/')),
      ...(await wholeFolder('sd3_fp16', 'half/')),
    });
    vi.stubEnv('HF_HOME', home);
    vi.stubEnv('HF_ENDPOINT', server.url);
    try {
      const pins = await stage.pin!({ weights }, folder);
      expect(pins).toEqual({ weights: `${commit}${part}` });
      const { summary } = await take({ weights }, pins);
      expect(summary).toMatchObject({ revision: commit, latentChannels: weights.endsWith('ckpt') ? 4 : 16 });
      expect(server.paths('unet')).toEqual([]);
    } finally {
      vi.unstubAllEnvs();
      await server.stop();
    }
  });

  it('are told from paths', () => {
    for (const path of ['./a/b', 'a', 'vae/sd/x', '/a/b/c'])
      expect(autoencoderPlace(path), path).toBeUndefined();
    const pull = { repository: { id: 'a/b', revision: 'refs/pr/1' } };
    expect(autoencoderPlace('hf://a/b@refs/pr/1')).toEqual(pull);
    expect(autoencoderPlace('hf://a/b@refs/pr/1/vae')).toEqual({ ...pull, folder: 'vae' });
    expect(autoencoderPlace('hf://a/b@dev/vae')).toEqual({
      repository: { id: 'a/b', revision: 'dev' },
      folder: 'vae',
    });
    expect(() => autoencoderPlace('hf://a')).toThrow(/is written hf:\/\/OWNER\/NAME\/FILE/);
  });
});
