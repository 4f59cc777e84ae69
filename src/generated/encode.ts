// Generated from schemas/ by `npm run generate`. Do not edit.

/**
 * Encodes every image once and stores mean and standard deviation of its latent's posterior in shards.
 */
export interface EncodeConfig {
  /**
   * The `images` stage to encode.
   */
  images: string;
  /**
   * The `autoencoder` stage to encode with.
   */
  autoencoder: string;
  /**
   * Also uses images mirrored left to right: all, none, or those of some classes. Text and flags do not survive mirroring.
   */
  flips: boolean | FlippedClasses;
  /**
   * Number format of the stored latents.
   */
  dtype: 'float16' | 'float32';
  /**
   * Images computed at once. Affects speed, memory, and the last bit of rounding. Unit: images.
   */
  batch: number;
  /**
   * Memory for the autoencoder's computation, beside its weights. A batch is divided until it fits. An image that does not fit by itself is computed in overlapping tiles that fade into each other, which changes it a little. Unit: MiB.
   */
  autoencoderMemoryMiB: number;
  /**
   * Images in a shard file. Unit: images.
   */
  shardSize: number;
}
export interface FlippedClasses {
  /**
   * Classes whose images may be mirrored.
   */
  classes: string[];
}
