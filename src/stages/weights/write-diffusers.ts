import { join } from 'node:path';
import { writeSafetensors } from '../../data/safetensors/index.js';
import { UserError } from '../../errors.js';
import { writeFileWhole } from '../../files/output-file.js';
import { diffusersShape, toDiffusers } from '../../models/autoencoder-kl/diffusers-layout.js';
import { autoencoderParameters } from '../../models/autoencoder-kl/parameters.js';
import { floats } from '../../tensorflow/index.js';
import { type AutoencoderSource, diffusersConfigName, diffusersWeightsNames } from './autoencoder-source.js';
import type { Tell } from './write-parameters.js';

/**
 * Writes an autoencoder as diffusers' `AutoencoderKL.from_pretrained` reads it, one tensor at a time in memory.
 *
 * @throws UserError `autoencoder-unsupported` where diffusers has no such architecture
 */
export async function writeDiffusers(
  source: AutoencoderSource,
  directory: string,
  { tell, signal }: { readonly tell: Tell; readonly signal: AbortSignal },
): Promise<void> {
  const { imageChannels, latentChannels, channels, layersPerBlock, normGroups, patchSize } = source.config;
  if (patchSize !== 1)
    throw new UserError({
      code: 'autoencoder-unsupported',
      message: `${source.path}: patches of ${patchSize} pixels are folded into channels before its first layer; diffusers has no such autoencoder.`,
      remedy: 'Train one with a width for each halving: log2(downsample) + 1 numbers in `channels`.',
    });
  const parameters = autoencoderParameters(source.config);
  let done = 0;
  await writeSafetensors(
    join(directory, diffusersWeightsNames[0]),
    parameters.map((parameter) => ({
      name: parameter.name,
      dtype: 'F32' as const,
      shape: diffusersShape(parameter),
      data: async () => {
        signal.throwIfAborted();
        const value = await source.read(parameter);
        tell(++done, parameters.length);
        return floats(toDiffusers(floats(value), parameter));
      },
    })),
    { format: 'pt' },
  );
  const config = {
    _class_name: 'AutoencoderKL',
    act_fn: 'silu',
    in_channels: imageChannels,
    out_channels: imageChannels,
    latent_channels: latentChannels,
    block_out_channels: channels,
    down_block_types: channels.map(() => 'DownEncoderBlock2D'),
    up_block_types: channels.map(() => 'UpDecoderBlock2D'),
    layers_per_block: layersPerBlock,
    norm_num_groups: normGroups,
    // Latents that are normalised by their own statistics have no one factor.
    scaling_factor: source.scalingFactor ?? 1,
  };
  await writeFileWhole(join(directory, diffusersConfigName), `${JSON.stringify(config, undefined, 2)}\n`);
}
