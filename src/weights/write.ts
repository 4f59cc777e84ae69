import { join } from 'node:path';
import { UserError } from '../base/errors.js';
import { writeFileWhole } from '../base/output-file.js';
import { writeSafetensors } from '../formats/safetensors/writer.js';
import { encodeBfloat16, encodeFloat16 } from '../formats/typed-arrays.js';
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

/** Number formats in which weights are written. */
export type WeightFormat = keyof typeof storedAs;

/** Hooks of a writing of weights, and their number format (float32 by default). */
export interface WriteOptions {
  readonly tell: Tell;
  readonly signal: AbortSignal;
  readonly dtype?: WeightFormat | undefined;
}

/** Element type of safetensors, and the numbers in it. */
export const storedAs = {
  float32: { dtype: 'F32', encode: (values: Float32Array): Float32Array | Uint16Array => values },
  float16: { dtype: 'F16', encode: half },
  bfloat16: { dtype: 'BF16', encode: (values: Float32Array) => encodeBfloat16(values) },
} as const;

const largestHalf = 65504;

/** @throws UserError `weights-overflow` */
function half(values: Float32Array): Uint16Array {
  const large = values.find((value) => Math.abs(value) > largestHalf && Number.isFinite(value));
  if (large !== undefined)
    throw new UserError({
      code: 'weights-overflow',
      message: `float16 holds numbers up to ${largestHalf}, and the weights hold ${large}.`,
      remedy: 'Write them as bfloat16 or float32.',
    });
  return encodeFloat16(values);
}

/**
 * Writes a model as a training stage leaves it: `model.json` and its weights, one tensor at a time in memory. A model
 * without an average of its own has one file for both.
 */
export async function writeSaved(
  source: ModelSource,
  directory: string,
  { tell, ...options }: WriteOptions,
): Promise<void> {
  const parameters = sitParameters(source.description.config);
  const sets = source.hasAverage ? (['raw', 'ema'] as const) : (['raw'] as const);
  let done = 0;
  const written = (): void => {
    tell(++done, sets.length * parameters.length);
  };
  const write = (set: WeightSet & keyof typeof fileNames) =>
    writeParameters(join(directory, fileNames[set]), parameters, (parameter) => source.read(set, parameter), {
      ...options,
      written,
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
  { written, signal, dtype = 'float32' }: Omit<WriteOptions, 'tell'> & { readonly written: () => void },
): Promise<void> {
  const stored = storedAs[dtype];
  await writeSafetensors(
    path,
    parameters.map((parameter) => ({
      name: parameter.name,
      dtype: stored.dtype,
      shape: parameter.shape,
      data: async () => {
        signal.throwIfAborted();
        const data = stored.encode(floats(await read(parameter)));
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
  { tell, signal, dtype = 'float32' }: WriteOptions,
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
      dtype: storedAs[dtype].dtype,
      shape: diffusersShape(parameter),
      data: async () => {
        signal.throwIfAborted();
        const value = await source.read(parameter);
        tell(++done, parameters.length);
        return storedAs[dtype].encode(floats(toDiffusers(floats(value), parameter)));
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
  { tell, ...options }: WriteOptions,
): Promise<void> {
  const parameters = autoencoderParameters(source.config);
  let done = 0;
  const written = (): void => {
    tell(++done, parameters.length);
  };
  await writeParameters(join(directory, weightsName), parameters, (parameter) => source.read(parameter), {
    ...options,
    written,
  });
  await writeSavedAutoencoder(directory, {
    config: source.config,
    weights: weightsName,
    scalingFactor: source.scalingFactor,
    ...(source.shiftFactor !== undefined && { shiftFactor: source.shiftFactor }),
  });
}
