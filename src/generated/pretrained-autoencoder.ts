// Generated from schemas/ by `npm run generate`. Do not edit.

/**
 * Takes a trained AutoencoderKL of the Stable Diffusion family. Its latents are multiplied by its scaling factor for training. Or takes none: models then train on pixels.
 */
export interface PretrainedAutoencoderConfig {
  /**
   * A folder of diffusers (config.json and diffusion_pytorch_model.safetensors), of a whole pipeline (with that folder as vae/) or of this project, or a file of weights with the names of diffusers, latent diffusion or FLUX, relative to the pipeline file; or a repository on Hugging Face, or `hf://owner/name/file` for a file or folder in one, with an optional @revision, which is downloaded once into the cache that Hugging Face's libraries share. `none` is no autoencoder: the pixels themselves, from -1 to 1, stand in place of latents. No key of training applies beside it.
   */
  weights: string;
  /**
   * Factor on latents for training, where no config.json states it. A file of weights alone has 0.18215 if it has 4 latent channels, with a warning; with any other number of channels it needs this key.
   */
  scalingFactor?: number;
  /**
   * Number that is subtracted from latents before they are multiplied, where no config.json states it. Default: 0.
   */
  shiftFactor?: number;
}
