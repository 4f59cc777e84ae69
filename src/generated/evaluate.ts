// Generated from schemas/ by `npm run generate`. Do not edit.

/**
 * Compares samples with a reference, by figures that papers give: FID and its kin as the ADM evaluator computes them, and the Fréchet distance of latents, which needs no download.
 */
export interface EvaluateConfig {
  /**
   * The `sample` stage whose images to evaluate.
   */
  samples?: string;
  /**
   * Instead of `samples`: an .npz with the images as `arr_0`, uint8 `[count, height, width, 3]`; relative to the pipeline file.
   */
  samplesFile?: string;
  /**
   * What to compare with: an `images` stage, another `sample` stage, or for `latentFrechetDistance` an `encode` stage, whose latents need not be computed again.
   */
  reference?: string;
  /**
   * Instead of `reference`: an .npz with images as `arr_0`, or with statistics of them as `mu` and `sigma` (for `sfid` also `mu_s` and `sigma_s`), or with both, such as ADM's VIRTUAL_imagenet256_labeled.npz; relative to the pipeline file. Where both are there, distances are to the statistics.
   */
  referenceFile?: string;
  /**
   * What to compute. All but `latentFrechetDistance` need the Inception graph, and all but `inceptionScore` a reference.
   */
  metrics: ('fid' | 'sfid' | 'inceptionScore' | 'precisionRecall' | 'latentFrechetDistance')[];
  /**
   * The frozen Inception graph of the ADM evaluator, classify_image_graph_def.pb; relative to the pipeline file.
   */
  inceptionFile?: string;
  /**
   * SHA-256 that the Inception graph must have, in hexadecimal. `evaluation.json` tells the one that was found.
   */
  inceptionSha256?: string;
  /**
   * For `latentFrechetDistance`: the `autoencoder` stage whose latents are compared.
   */
  autoencoder?: string;
  /**
   * For `latentFrechetDistance`: cells in a row and in a column, over each of which the mean and the deviation of every latent channel are taken. Fewer cells need fewer samples. Unit: cells.
   */
  latentGrid: number;
  /**
   * Images computed at once: a matter of speed and memory, and of the last bit of rounding. Unit: images.
   */
  batch: number;
}
