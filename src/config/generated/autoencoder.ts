// Generated from schemas/ by `npm run generate`. Do not edit.

/**
 * Trains a convolutional autoencoder with a Gaussian latent (AutoencoderKL) from scratch: reconstruction loss plus KL divergence.
 */
export interface AutoencoderConfig {
  /**
   * The `images` stage to train on.
   */
  images: string;
  /**
   * Channels of the latent. Unit: channels.
   */
  latentChannels: number;
  /**
   * Image size divided by latent size.
   */
  downsample: 2 | 4 | 8;
  /**
   * Width of the layers at each resolution, from full size down: one more entry than there are halvings. Each is a multiple of `normGroups`. Unit: channels.
   */
  channels: number[];
  /**
   * Residual layers at each resolution. Unit: layers.
   */
  layersPerBlock: number;
  /**
   * Groups of the group normalisation. Unit: groups.
   */
  normGroups: number;
  /**
   * Weight of the KL divergence in the loss.
   */
  klWeight: number;
  /**
   * Steps to train. Unit: steps.
   */
  steps: number;
  /**
   * Images in a step. Unit: images.
   */
  batch: number;
  /**
   * Highest learning rate, reached after `warmupSteps`.
   */
  learningRate: number;
  /**
   * Steps over which the learning rate rises linearly from zero. Unit: steps.
   */
  warmupSteps: number;
  /**
   * Whether every image is also used mirrored left to right: all, none, or those of some classes (text and flags do not survive it).
   */
  flips: boolean | FlippedClasses;
  /**
   * Steps between two points of the logged curves. Unit: steps.
   */
  logEverySteps: number;
  /**
   * When training can be resumed from.
   */
  checkpoint: {
    /**
     * Steps between two checkpoints. Unit: steps.
     */
    everySteps: number;
  };
}
export interface FlippedClasses {
  /**
   * Classes whose images may be mirrored.
   */
  classes: string[];
}
