import { parseRepository } from '../huggingface/index.js';
import { type AutoencoderConfig, downsampleOf } from '../models/autoencoder-kl/config.js';

/** What stages that use an autoencoder must know of it. */
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
