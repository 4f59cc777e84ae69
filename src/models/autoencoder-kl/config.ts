import { UserError } from '../../base/errors.js';
import { parseRepository } from '../../formats/hub/repository.js';

/** Architecture of an autoencoder with a Kullback–Leibler penalty, as in Stable Diffusion. */
export interface AutoencoderConfig {
  readonly imageChannels: number;
  readonly latentChannels: number;
  /** Width of each resolution, finest first; each but the first halves height and width. */
  readonly channels: readonly number[];
  /** Residual blocks of each resolution in the encoder; the decoder has one more. */
  readonly layersPerBlock: number;
  readonly normGroups: number;
  /** Pixels along a side that are folded into channels before the first layer. 1, as in Stable Diffusion, folds none. */
  readonly patchSize: number;
}

/** Image pixels that a latent pixel spans along a side. */
export function downsampleOf({ channels, patchSize }: AutoencoderConfig): number {
  return patchSize * 2 ** (channels.length - 1);
}

/** Content of a `config.json` of diffusers. */
export interface DiffusersAutoencoder {
  readonly config: AutoencoderConfig;
  /** Latents are multiplied by it, so that their deviation is about 1. */
  readonly scalingFactor: number;
}

/** Factor on latents of Stable Diffusion 1 and 2: diffusers' own default. */
export const usualScalingFactor = 0.18215;

/** Layers and widths are counted in tens and hundreds. */
const largestNumber = 2 ** 16;

/**
 * Reads the `config.json` of diffusers' AutoencoderKL.
 *
 * @param path named in errors
 * @throws UserError `autoencoder-unsupported` naming every key whose value asks for another architecture.
 */
export function readDiffusersConfig(json: unknown, path: string): DiffusersAutoencoder {
  const given = (typeof json === 'object' && json !== null ? json : {}) as Readonly<Record<string, unknown>>;
  const problems: string[] = [];
  const number = (key: string, fallback: number): number => {
    const value = given[key] ?? fallback;
    if (typeof value === 'number' && value > 0 && value <= largestNumber) return value;
    problems.push(
      `"${key}" is ${JSON.stringify(value)}, a positive number up to ${largestNumber} is expected`,
    );
    return fallback;
  };
  const channels = given.block_out_channels;
  const isWidths =
    Array.isArray(channels) &&
    channels.length > 0 &&
    channels.length <= 16 &&
    channels.every((width) => Number.isSafeInteger(width) && width > 0 && width <= largestNumber);
  if (!isWidths)
    problems.push(`"block_out_channels" is ${JSON.stringify(channels)}, a list of widths is expected`);
  const expected: Readonly<Record<string, readonly unknown[]>> = {
    _class_name: ['AutoencoderKL'],
    act_fn: ['silu'],
    mid_block_add_attention: [true],
    use_quant_conv: [true],
    use_post_quant_conv: [true],
    shift_factor: [null, 0],
    latents_mean: [null],
    latents_std: [null],
    in_channels: [3],
    out_channels: [3],
  };
  for (const [key, values] of Object.entries(expected))
    if (key in given && !values.includes(given[key]))
      problems.push(`"${key}" is ${JSON.stringify(given[key])}, ${JSON.stringify(values[0])} is expected`);
  for (const [key, block] of [
    ['down_block_types', 'DownEncoderBlock2D'],
    ['up_block_types', 'UpDecoderBlock2D'],
  ] as const) {
    const types = given[key];
    if (Array.isArray(types) && types.some((type) => type !== block))
      problems.push(`"${key}" has other blocks than ${block}`);
  }
  const config: AutoencoderConfig = {
    imageChannels: 3,
    latentChannels: number('latent_channels', 4),
    channels: isWidths ? (channels as number[]) : [],
    layersPerBlock: number('layers_per_block', 1),
    normGroups: number('norm_num_groups', 32),
    patchSize: 1,
  };
  const scalingFactor = number('scaling_factor', usualScalingFactor);
  if (problems.length === 0) return { config, scalingFactor };
  throw new UserError({
    code: 'autoencoder-unsupported',
    message: `${path}: not an autoencoder that can be used: ${problems.join('; ')}.`,
    remedy:
      'Use an AutoencoderKL of the Stable Diffusion 1 or 2 family, for images of red, green and blue, such as stabilityai/sd-vae-ft-ema.',
  });
}

/** Facts about an autoencoder for the stages that use it. */
export interface AutoencoderFacts {
  readonly downsample: number;
  readonly latentChannels: number;
}

const stableDiffusion: AutoencoderConfig = {
  ...{ imageChannels: 3, latentChannels: 4, channels: [128, 256, 512, 512] },
  ...{ layersPerBlock: 2, normGroups: 32, patchSize: 1 },
};

const known: Readonly<Record<string, AutoencoderConfig | undefined>> = {
  'stabilityai/sd-vae-ft-ema': stableDiffusion,
  'stabilityai/sd-vae-ft-mse': stableDiffusion,
};

/** The models of repositories that are known without looking into them. */
export function knownAutoencoderModel(weights: string): AutoencoderConfig | undefined {
  return known[parseRepository(weights)?.id ?? ''];
}

/** Facts of repositories that are known without looking into them. */
export function knownAutoencoder(weights: string): AutoencoderFacts | undefined {
  const model = knownAutoencoderModel(weights);
  return model && { downsample: downsampleOf(model), latentChannels: model.latentChannels };
}
