import { code, counted } from '../diagnostics/words.js';
import { nearestMultiples } from './autoencoder.js';
import type { CheckContext, StageCheck } from './context.js';
import { autoencoderFacts } from './pretrained-autoencoder.js';

/** What encoding gives, as far as the file tells. */
export interface LatentShape {
  /** Width and height of a latent. */
  readonly size: number;
  readonly channels: number;
  readonly downsample: number;
  /** Id of the stage that made the images. */
  readonly images: string;
}

/** Shape of the latents of an `encode` stage; nothing where a stage on the way is not valid. */
export function latentShape(context: CheckContext, encode: string): LatentShape | undefined {
  const config = context.config('encode', encode);
  const images = config && context.config('images', config.images);
  const autoencoder = config && autoencoderFacts(context, config.autoencoder);
  if (!images || !autoencoder || images.size % autoencoder.downsample !== 0) return undefined;
  const { downsample, latentChannels } = autoencoder;
  return { size: images.size / downsample, channels: latentChannels, downsample, images: config.images };
}

/** Images of another stage than the autoencoder's own must become whole latents as well. */
export const encodedImagesHalve: StageCheck<'encode'> = ({ id, config }, context) => {
  const size = context.config('images', config.images)?.size;
  const autoencoder = autoencoderFacts(context, config.autoencoder);
  const training = context.config('autoencoder', config.autoencoder);
  const isItsOwn = training !== undefined && 'images' in training && training.images === config.images;
  if (size === undefined || !autoencoder || isItsOwn) return;
  if (size % autoencoder.downsample === 0) return;
  context.report(id, {
    at: 'images',
    code: 'size-not-divisible',
    message: `Images of ${counted(size, 'pixel')} cannot be divided by ${code(`downsample: ${autoencoder.downsample}`)} of ${code(config.autoencoder)}.`,
    remedy: `For ${code('size')}: ${nearestMultiples(size, autoencoder.downsample)}`,
    because: `stages.${config.images}.size`,
  });
};
