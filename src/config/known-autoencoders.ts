import { parseRepository } from '../huggingface/index.js';

/** What stages that use an autoencoder must know of it. */
export interface AutoencoderFacts {
  readonly downsample: number;
  readonly latentChannels: number;
}

const known: Readonly<Record<string, AutoencoderFacts | undefined>> = {
  'stabilityai/sd-vae-ft-ema': { downsample: 8, latentChannels: 4 },
  'stabilityai/sd-vae-ft-mse': { downsample: 8, latentChannels: 4 },
};

/** Facts of repositories that are known without looking into them. */
export function knownAutoencoder(weights: string): AutoencoderFacts | undefined {
  return known[parseRepository(weights)?.id ?? ''];
}
