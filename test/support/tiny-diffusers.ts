import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openSafetensors } from '../../src/formats/safetensors/reader.js';
import { writeSafetensors } from '../../src/formats/safetensors/writer.js';
import { fixturePath } from './fixture-checks.js';

const prefix = 'param.';

/** Writes a folder of diffusers with a tiny AutoencoderKL of random weights: 4 latent channels, a quarter of the size. */
export async function writeTinyDiffusers(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  await copyFile(fixturePath('autoencoder_kl.config.json'), join(folder, 'config.json'));
  const file = await openSafetensors(fixturePath('autoencoder_kl.safetensors'));
  try {
    const names = [...file.tensors.keys()].filter((name) => name.startsWith(prefix));
    const tensors = await Promise.all(
      names.map(async (name) => ({
        name: name.slice(prefix.length),
        dtype: 'F32' as const,
        shape: file.tensors.get(name)!.shape,
        data: await file.readFloat32(name),
      })),
    );
    await writeSafetensors(join(folder, 'diffusion_pytorch_model.safetensors'), tensors);
  } finally {
    await file.close();
  }
  return folder;
}
