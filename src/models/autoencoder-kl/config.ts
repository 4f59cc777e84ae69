/** What defines an autoencoder with a Kullback–Leibler penalty, as in Stable Diffusion. */
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

/** How many image pixels a latent pixel spans along a side. */
export function downsampleOf({ channels, patchSize }: AutoencoderConfig): number {
  return patchSize * 2 ** (channels.length - 1);
}
