import { join } from 'node:path';
import { UserError } from '../base/errors.js';
import { writeFileWhole } from '../base/output-file.js';
import { writeSafetensors } from '../formats/safetensors/writer.js';
import { diffusersShape, toDiffusers } from '../models/autoencoder-kl/diffusers.js';
import { autoencoderParameters } from '../models/autoencoder-kl/parameters.js';
import { sitParameters } from '../models/sit/config.js';
import type { Parameter } from '../nn/parameter.js';
import { floats, type HostTensor } from '../tensorflow/data-types.js';
import type { AutoencoderSource } from './autoencoder-source.js';
import { diffusersConfigName, diffusersWeightsNames } from './diffusers-files.js';
import type { ModelSource, WeightSet } from './model-source.js';
import { writeSavedAutoencoder, writeSavedModel } from './saved-files.js';

const fileNames = { raw: 'weights.safetensors', ema: 'ema.safetensors' } as const;

/**
 * Writes a model as a training stage leaves it: `model.json` and its weights, one tensor at a time in memory. A model
 * without an average of its own has one file for both.
 */
export async function writeSaved(
  source: ModelSource,
  directory: string,
  { tell, signal }: { readonly tell: Tell; readonly signal: AbortSignal },
): Promise<void> {
  const parameters = sitParameters(source.description.config);
  const sets = source.hasAverage ? (['raw', 'ema'] as const) : (['raw'] as const);
  let done = 0;
  const written = (): void => {
    tell(++done, sets.length * parameters.length);
  };
  const write = (set: WeightSet & keyof typeof fileNames) =>
    writeParameters(join(directory, fileNames[set]), parameters, (parameter) => source.read(set, parameter), {
      written,
      signal,
    });
  for (const set of sets) await write(set);
  const weights = { raw: fileNames.raw, ema: source.hasAverage ? fileNames.ema : fileNames.raw };
  await writeSavedModel(directory, { ...source.description, weights });
}

/** Callback after each tensor that was written. */
export type Tell = (done: number, total: number) => void;

/**
 * Writes parameters as safetensors under our names, one tensor at a time in memory.
 *
 * @param written called after each
 * @throws the signal's reason between two tensors when it is aborted
 */
async function writeParameters(
  path: string,
  parameters: readonly Parameter[],
  read: (parameter: Parameter) => Promise<HostTensor>,
  { written, signal }: { readonly written: () => void; readonly signal: AbortSignal },
): Promise<void> {
  await writeSafetensors(
    path,
    parameters.map((parameter) => ({
      name: parameter.name,
      dtype: 'F32' as const,
      shape: parameter.shape,
      data: async () => {
        signal.throwIfAborted();
        const { data } = await read(parameter);
        written();
        return data;
      },
    })),
  );
}

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
  const { quantConvolution, postQuantConvolution } = source.config;
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
    ...(source.shiftFactor !== undefined && { shift_factor: source.shiftFactor }),
    ...(quantConvolution === false && { use_quant_conv: false }),
    ...(postQuantConvolution === false && { use_post_quant_conv: false }),
  };
  await writeFileWhole(join(directory, diffusersConfigName), `${JSON.stringify(config, undefined, 2)}\n`);
}

const weightsName = 'weights.safetensors';

/** Writes an autoencoder as the `autoencoder` stage leaves it, one tensor at a time in memory. */
export async function writeAutoencoder(
  source: AutoencoderSource,
  directory: string,
  { tell, signal }: { readonly tell: Tell; readonly signal: AbortSignal },
): Promise<void> {
  const parameters = autoencoderParameters(source.config);
  let done = 0;
  const written = (): void => {
    tell(++done, parameters.length);
  };
  await writeParameters(join(directory, weightsName), parameters, (parameter) => source.read(parameter), {
    written,
    signal,
  });
  await writeSavedAutoencoder(directory, {
    config: source.config,
    weights: weightsName,
    scalingFactor: source.scalingFactor,
    ...(source.shiftFactor !== undefined && { shiftFactor: source.shiftFactor }),
  });
}
