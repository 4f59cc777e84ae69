// Generated from schemas/ by `npm run generate`. Do not edit.

/**
 * Compares samples with a reference: FID, sFID and Inception score as the ADM evaluator computes them; distances, precision, recall and class agreement of the features of a public network, which is fetched; and a Fréchet distance of latents.
 */
export interface EvaluateConfig {
  /**
   * The `sample` stage whose images to evaluate, or an `images` stage with those of another program.
   */
  samples?: string;
  /**
   * Images in place of `samples`: an .npz with `arr_0`, uint8 `[count, height, width, 3]`; relative to the pipeline file.
   */
  samplesFile?: string;
  /**
   * Reference of the comparison: an `images` stage, another `sample` stage, or, for `latentFrechetDistance`, an `encode` stage, whose latents need not be computed again.
   */
  reference?: string;
  /**
   * File in place of `reference`: an .npz with images (`arr_0`), their statistics (`mu` and `sigma`; for `sfid` also `mu_s` and `sigma_s`), or both, such as ADM's VIRTUAL_imagenet256_labeled.npz; relative to the pipeline file. If it has both, distances use the statistics.
   */
  referenceFile?: string;
  /**
   * Figures to compute. `fid`, `sfid` and `inceptionScore` need the Inception graph. `frechetDistance`, `kernelDistance`, `precisionRecall` and `classAgreement` are of the network that `features` names. `latentFrechetDistance` needs the autoencoder. All but `inceptionScore` need a reference.
   */
  metrics: (
    | 'fid'
    | 'sfid'
    | 'inceptionScore'
    | 'frechetDistance'
    | 'kernelDistance'
    | 'precisionRecall'
    | 'classAgreement'
    | 'latentFrechetDistance'
  )[];
  /**
   * Network whose features are compared: `efficientnet`, EfficientNet-Lite0 with public weights of ImageNet (17 MB, fetched once), or `inception`, the graph of `inceptionFile`. Default: `inception` where `inceptionFile` is given, otherwise `efficientnet`.
   */
  features?: 'efficientnet' | 'inception';
  /**
   * The frozen Inception graph of the ADM evaluator, classify_image_graph_def.pb; relative to the pipeline file.
   */
  inceptionFile?: string;
  /**
   * SHA-256 that the Inception graph must have, in hexadecimal. `evaluation.json` states the one that was found.
   */
  inceptionSha256?: string;
  /**
   * The `autoencoder` stage whose latents are compared, for `latentFrechetDistance`.
   */
  autoencoder?: string;
  /**
   * Cells per row and column, for `latentFrechetDistance`. Each cell gives the mean and the deviation of every latent channel. Fewer cells need fewer samples. Unit: cells.
   */
  latentGrid: number;
  /**
   * Images computed at once. Affects speed, memory, and the last bit of rounding. Unit: images.
   */
  batch: number;
}
