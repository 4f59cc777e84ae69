import { UserError } from '../../base/errors.js';
import { parseRepository } from '../../formats/hub/repository.js';

/** Architecture of an autoencoder with a Kullback–Leibler penalty, as in Stable Diffusion. */
export interface AutoencoderConfig {
  readonly imageChannels: number;
  readonly latentChannels: number;
  /**
   * Width of each resolution, finest first; each but the first halves height and width. None: there is no autoencoder, and
   * latents are the pixels themselves.
   */
  readonly channels: readonly number[];
  /** Residual blocks of each resolution in the encoder; the decoder has one more. */
  readonly layersPerBlock: number;
  readonly normGroups: number;
  /** Pixels along a side that are folded into channels before the first layer. 1, as in Stable Diffusion, folds none. */
  readonly patchSize: number;
  /** `false` without the convolution of one pixel after the encoder, as in the autoencoders of SD3 and FLUX. */
  readonly quantConvolution?: boolean;
  /** `false` without the one before the decoder. */
  readonly postQuantConvolution?: boolean;
}

/** Latents for training are `(latent − shiftFactor) · scalingFactor`, so that their deviation is about 1. */
export interface LatentScale {
  readonly scalingFactor: number;
  /** 0 where it is absent. */
  readonly shiftFactor?: number | undefined;
}

/** A scale as far as it is known. */
export type PartialScale = { readonly [Key in keyof LatentScale]?: LatentScale[Key] | undefined };

/** Image pixels that a latent pixel spans along a side. */
export function downsampleOf({ channels, patchSize }: AutoencoderConfig): number {
  return patchSize * 2 ** Math.max(0, channels.length - 1);
}

/** The name of no autoencoder, in the place of weights. */
export const noAutoencoder = 'none';

/** Pixels in [-1, 1] in place of latents: models train on images themselves. */
export const pixels: DiffusersAutoencoder = {
  config: {
    ...{ imageChannels: 3, latentChannels: 3, channels: [], layersPerBlock: 0, normGroups: 1, patchSize: 1 },
  },
  scalingFactor: 1,
};

/** Content of a `config.json` of diffusers. */
export interface DiffusersAutoencoder extends LatentScale {
  readonly config: AutoencoderConfig;
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
    use_quant_conv: [true, false],
    use_post_quant_conv: [true, false],
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
    ...(given.use_quant_conv === false && { quantConvolution: false }),
    ...(given.use_post_quant_conv === false && { postQuantConvolution: false }),
  };
  const scalingFactor = number('scaling_factor', usualScalingFactor);
  const shiftFactor = given.shift_factor ?? 0;
  if (typeof shiftFactor !== 'number' || Math.abs(shiftFactor) > largestNumber)
    problems.push(`"shift_factor" is ${JSON.stringify(shiftFactor)}, a number is expected`);
  if (problems.length === 0)
    return { config, scalingFactor, ...(shiftFactor !== 0 && { shiftFactor: shiftFactor as number }) };
  throw new UserError({
    code: 'autoencoder-unsupported',
    message: `${path}: not an autoencoder that can be used: ${problems.join('; ')}.`,
    remedy:
      'Use an AutoencoderKL of the family of Stable Diffusion or FLUX, for images of red, green and blue, such as stabilityai/sd-vae-ft-ema.',
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

const sixteenChannels: AutoencoderConfig = {
  ...{ ...stableDiffusion, latentChannels: 16 },
  ...{ quantConvolution: false, postQuantConvolution: false },
};

/** Factors of autoencoders that files of weights do not tell, by the models that they belong to. */
export const usualScales = {
  'Stable Diffusion 1 and 2': { scalingFactor: usualScalingFactor },
  SDXL: { scalingFactor: 0.13025 },
  SD3: { scalingFactor: 1.5305, shiftFactor: 0.0609 },
  FLUX: { scalingFactor: 0.3611, shiftFactor: 0.1159 },
} as const satisfies Readonly<Record<string, LatentScale>>;

/** Autoencoders of repositories that are known without looking into them. */
const known: Readonly<Record<string, DiffusersAutoencoder | undefined>> = {
  'stabilityai/sd-vae-ft-ema': { config: stableDiffusion, ...usualScales['Stable Diffusion 1 and 2'] },
  'stabilityai/sd-vae-ft-mse': { config: stableDiffusion, ...usualScales['Stable Diffusion 1 and 2'] },
  'stabilityai/sdxl-vae': { config: stableDiffusion, ...usualScales.SDXL },
  'madebyollin/sdxl-vae-fp16-fix': { config: stableDiffusion, ...usualScales.SDXL },
  'stabilityai/stable-diffusion-3-medium-diffusers': { config: sixteenChannels, ...usualScales.SD3 },
  'stabilityai/stable-diffusion-3.5-medium': { config: sixteenChannels, ...usualScales.SD3 },
  'stabilityai/stable-diffusion-3.5-large': { config: sixteenChannels, ...usualScales.SD3 },
  'black-forest-labs/FLUX.1-schnell': { config: sixteenChannels, ...usualScales.FLUX },
  'black-forest-labs/FLUX.1-dev': { config: sixteenChannels, ...usualScales.FLUX },
};

/** The autoencoder of a repository that is known without looking into it. */
export const knownAutoencoder = (weights: string): DiffusersAutoencoder | undefined =>
  weights === noAutoencoder ? pixels : known[parseRepository(weights)?.id ?? ''];

/** Facts about an autoencoder for the stages that use it. */
export const factsOf = ({ config }: Pick<DiffusersAutoencoder, 'config'>): AutoencoderFacts => ({
  downsample: downsampleOf(config),
  latentChannels: config.latentChannels,
});
