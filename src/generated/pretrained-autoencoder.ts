// Generated from schemas/ by `npm run generate`. Do not edit.

/**
 * Takes a trained AutoencoderKL of the Stable Diffusion family. Its latents are multiplied by its scaling factor for training.
 */
export interface PretrainedAutoencoderConfig {
  /**
   * A folder of diffusers (config.json and diffusion_pytorch_model.safetensors) or of this project, relative to the pipeline file; or a repository on Hugging Face, with an optional @revision, which is downloaded once into the cache that Hugging Face's libraries share. No key of training applies beside it.
   */
  weights: string;
}
