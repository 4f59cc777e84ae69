// Generated from schemas/ by `npm run generate`. Do not edit.

/**
 * Takes latents that another program encoded, where they are: LightningDiT's safetensors shards, fast-DiT's folders of .npy, MAR's cached .npz, or EDM2's zip of .npy.
 */
export interface LatentsConfig {
  /**
   * Folder of the latents, the .zip file, or a pattern for the shards; relative to the file that it is written in.
   */
  path: string;
  /**
   * The `autoencoder` stage whose latents they are: it decodes what is sampled.
   */
  autoencoder: string;
  /**
   * Factor that the stored latents were multiplied by: 0.18215 for fast-DiT's, 1 for those of LightningDiT, MAR and EDM2.
   */
  scale: number;
  /**
   * Also uses the latents of mirrored images, where the files have them.
   */
  flips: boolean;
  /**
   * Source of a latent's class: `files` takes the labels that the files hold; `none` gives all latents one class, for training without classes.
   */
  labels: 'files' | 'none';
  /**
   * File that names the classes, as of `images`. Default: the labels are the names.
   */
  classNames?: string;
}
