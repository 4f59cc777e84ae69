import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { TorchTensorSource, writeTorchCheckpoint } from '../../../src/formats/pytorch/write.js';
import type { TensorData } from '../../../src/formats/safetensors/header.js';
import { openSafetensors } from '../../../src/formats/safetensors/reader.js';
import { writeSafetensors } from '../../../src/formats/safetensors/writer.js';
import { computeTiled, decodingGrid, encodingGrid } from '../../../src/models/autoencoder-kl/tiling.js';
import { stage } from '../../../src/stages/autoencoder/kind.js';
import { float32, type HostTensor } from '../../../src/tensorflow/index.js';
import { Autoencoder } from '../../../src/weights/saved-autoencoder.js';
import { commit, HubServer } from '../../formats/hub/hub-server.js';
import { digest } from '../../support/digest.js';
import { fixturePath } from '../../support/fixture-checks.js';
import { runStage } from '../../support/run-stage.js';

let folder: string;
/** Tensors of diffusers' autoencoder and, without `param.`, what it computed. */
const tensors = new Map<string, TensorData>();
const made: string[] = [];
const runtime = { device: 'cpu', precision: 'float32', threads: 1, workers: 1 } as const;

/** Names as diffusers wrote them before 0.18, in the files of stabilityai/sd-vae-ft-ema and -mse. */
const older = (name: string) =>
  name
    .replace('.to_q.', '.query.')
    .replace('.to_k.', '.key.')
    .replace('.to_v.', '.value.')
    .replace('.to_out.0.', '.proj_attn.');

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vae-'));
  const file = await openSafetensors(fixturePath('autoencoder_kl.safetensors'));
  for (const name of file.tensors.keys()) tensors.set(name.replace(/^param\./, ''), await file.read(name));
  await file.close();
  const weights = [...tensors].filter(([name]) => /^(encoder|decoder|quant|post)/.test(name));
  for (const [name, rename] of [
    ['diffusers', (text: string) => text],
    ['older', older],
  ] as const) {
    await mkdir(join(folder, name));
    await copyFile(fixturePath('autoencoder_kl.config.json'), join(folder, name, 'config.json'));
    await writeSafetensors(
      join(folder, name, 'diffusion_pytorch_model.safetensors'),
      weights.map(([key, tensor]) => ({ name: rename(key), ...tensor })),
    );
  }
  await mkdir(join(folder, 'bin'));
  await copyFile(fixturePath('autoencoder_kl.config.json'), join(folder, 'bin', 'config.json'));
  await writeTorchCheckpoint(
    join(folder, 'bin', 'diffusion_pytorch_model.bin'),
    new Map(weights.map(([key, { dtype, shape, data }]) => [key, new TorchTensorSource(dtype, shape, data)])),
  );
});
afterAll(async () => {
  for (const path of [folder, ...made]) await rm(path, { recursive: true, force: true });
});

async function take(weights: string, pins?: Record<string, string>) {
  const result = await runStage(stage, { weights }, { pipelineDirectory: folder, ...(pins && { pins }) });
  made.push(result.directory);
  return result;
}

/** [batch, channels, height, width] as [batch, height, width, channels] */
function channelsLast({ shape, data }: TensorData): HostTensor {
  const [n, c, h, w] = shape as [number, number, number, number];
  const values = data as Float32Array;
  const out = Float32Array.from({ length: n * c * h * w }, (_, i) => {
    const [channel, x, y, item] = [
      i % c,
      Math.floor(i / c) % w,
      Math.floor(i / (c * w)) % h,
      Math.floor(i / (c * w * h)),
    ];
    return values[((item * c + channel) * h + y) * w + x]!;
  });
  return float32([n, h, w, c], out);
}

describe('weights in a folder', () => {
  it.each(['diffusers', 'older', 'bin'])('of %s give what diffusers computed', async (name) => {
    const { directory, summary } = await take(name);
    expect(summary).toEqual({ latentChannels: 4, downsample: 4, scalingFactor: 0.18215 });
    const autoencoder = await Autoencoder.open(directory, runtime);
    const { mean } = await autoencoder.encode(channelsLast(tensors.get('image')!));
    const images = await autoencoder.decode(mean);
    await autoencoder.close();
    // The fixture's own tolerance: sums in another order.
    expect(mean).toBeAllclose(channelsLast(tensors.get('mean')!), { ofLargest: 1e-4 });
    expect(images).toBeAllclose(channelsLast(tensors.get('decoded_mean')!), { ofLargest: 1e-4 });
  });

  it('may be what the stage itself left', async () => {
    const first = await take('diffusers');
    const again = await take(first.directory);
    for (const file of ['autoencoder.json', 'weights.safetensors'])
      expect(await digest(join(again.directory, file))).toBe(await digest(join(first.directory, file)));
  });

  it('name every tensor that does not fit', async () => {
    await mkdir(join(folder, 'wrong'));
    const config = JSON.parse(await readFile(fixturePath('autoencoder_kl.config.json'), 'utf8')) as object;
    await writeFile(join(folder, 'wrong', 'config.json'), JSON.stringify({ ...config, latent_channels: 8 }));
    const name = 'diffusion_pytorch_model.safetensors';
    await copyFile(join(folder, 'diffusers', name), join(folder, 'wrong', name));
    const error = (await take('wrong').catch((caught: unknown) => caught)) as Error;
    expect(error).toMatchObject({ code: 'checkpoint-mismatch' });
    expect(error.message).toContain(
      'quant_conv.weight has the shape [8, 8, 1, 1], [16, 16, 1, 1] is expected',
    );
    expect(error.message).toContain(
      'decoder.conv_in.weight has the shape [32, 4, 3, 3], [32, 8, 3, 3] is expected',
    );
    await expect(take('.')).rejects.toMatchObject({ code: 'autoencoder-missing' });
  });

  it('are an input of the stage', () => {
    expect(stage.externalInputs({ weights: 'diffusers' }, folder)).toEqual([join(folder, 'diffusers')]);
  });
});

describe('tiles', () => {
  it("are those of diffusers' enable_tiling", async () => {
    const file = await openSafetensors(fixturePath('diffusers_tiles.safetensors'));
    const stored = async (name: string) => channelsLast(await file.read(name));
    const { directory } = await take('diffusers');
    const autoencoder = await Autoencoder.open(directory, runtime);
    const decode = async (part: HostTensor) => ({ images: await autoencoder.decode(part) });
    const { images } = await computeTiled(await stored('latents'), decodingGrid(16, 4), decode);
    expect(images).toBeAllclose(await stored('decoded'), { ofLargest: 1e-4 });
    const encode = (part: HostTensor) => autoencoder.encode(part);
    const { mean, logVariance } = await computeTiled(await stored('image'), encodingGrid(16, 4), encode);
    expect(mean).toBeAllclose(await stored('mean'), { ofLargest: 1e-4 });
    expect(logVariance).toBeAllclose(await stored('logVariance'), { ofLargest: 1e-4 });
    await autoencoder.close();
    await file.close();
  });

  it('are taken where an image needs more memory than there may be, and few images at a time', async () => {
    const { directory } = await take('diffusers');
    const open = (memoryMiB?: number) => Autoencoder.open(directory, runtime, memoryMiB);
    const [whole, bounded] = [await open(), await open(9)];
    const latents = (count: number, size: number) =>
      float32(
        [count, size, size, 4],
        Float32Array.from({ length: count * size ** 2 * 4 }, (_, i) => Math.sin(i / 50)),
      );
    // Within 9 MiB four latents of 16 pixels fit, and one of 32.
    const many = latents(6, 16);
    expect(await bounded.decode(many)).toBeAllclose(await whole.decode(many), { ofLargest: 1e-5 });
    const large = latents(1, 40);
    const { images } = await computeTiled(large, decodingGrid(32, 4), async (part) => ({
      images: await whole.decode(part),
    }));
    expect(await bounded.decode(large)).toBeAllclose(images, { ofLargest: 1e-5 });
    for (const autoencoder of [whole, bounded]) await autoencoder.close();
  });
});

describe('weights on Hugging Face', () => {
  it('are pinned in planning and taken at that commit', async () => {
    const home = await mkdtemp(join(tmpdir(), 'hub-'));
    made.push(home);
    const read = (name: string) => readFile(join(folder, 'older', name));
    const server = await HubServer.start('lab/vae', {
      'config.json': { content: await read('config.json') },
      'diffusion_pytorch_model.safetensors': {
        content: await read('diffusion_pytorch_model.safetensors'),
        large: true,
      },
    });
    vi.stubEnv('HF_HOME', home);
    vi.stubEnv('HF_ENDPOINT', server.url);
    try {
      const pins = await stage.pin!({ weights: 'lab/vae' }, folder);
      expect(pins).toEqual({ weights: commit });
      expect(stage.externalInputs({ weights: 'lab/vae' }, folder)).toEqual([]);
      const { directory, summary } = await take('lab/vae', pins);
      expect(summary).toMatchObject({ revision: commit, latentChannels: 4 });
      const local = await take('older');
      expect(await digest(join(directory, 'weights.safetensors'))).toBe(
        await digest(join(local.directory, 'weights.safetensors')),
      );
    } finally {
      vi.unstubAllEnvs();
      await server.stop();
    }
  });
});
