import { usualScalingFactor } from '../../models/autoencoder-kl/diffusers-config.js';
import type { Normalization } from '../../training/diffusion-loss.js';

/** Normalization of latents that are multiplied by one factor, such as those of Stable Diffusion's autoencoder. */
export function scaledNormalization(channels: number, factor = usualScalingFactor): Normalization {
  return {
    mean: Array.from({ length: channels }, () => 0),
    std: Array.from({ length: channels }, () => 1 / factor),
  };
}
