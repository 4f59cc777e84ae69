// Generated from schemas/ by `npm run generate`. Do not edit.

/**
 * Trains a convolutional autoencoder with a Gaussian latent (AutoencoderKL) from scratch: reconstruction loss plus KL divergence. With `weights` in place of all other keys it takes a trained one.
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
   * Width of the layers at each resolution, finest first; each but the first halves height and width. What `downsample` asks for beyond that is folded from pixels into channels before the first layer. Each is a multiple of `normGroups`. Unit: channels.
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
   * How often each class is drawn: as often as it has images (`natural`), or all equally often (`balanced`), which serves rare classes better.
   */
  classSampling: 'natural' | 'balanced';
  /**
   * Highest learning rate, reached after `warmupSteps`.
   */
  learningRate: number;
  /**
   * Learning rate after the warm-up: kept, or brought to zero along a cosine or a line.
   */
  schedule: 'constant' | 'cosine' | 'linear';
  /**
   * Steps over which the learning rate rises linearly from zero. Unit: steps.
   */
  warmupSteps: number;
  /**
   * Largest global norm of the gradient; larger ones are scaled down to it. 0 turns it off.
   */
  gradientClip: number;
  /**
   * Decay of the exponential moving average of the weights, per step; the average is what later stages use.
   */
  ema: number;
  /**
   * Whether every image is also used mirrored left to right: all, none, or those of some classes (text and flags do not survive it).
   */
  flips: boolean | FlippedClasses;
  /**
   * Steps between two points of the logged curves. Unit: steps.
   */
  logEverySteps: number;
  records: RecordsConfig;
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
/**
 * Where else the logged figures go. `metrics.jsonl` (what was learnt) and `speed.jsonl` (how fast) are always written. A service that fails is given up with a warning; training goes on.
 */
export interface RecordsConfig {
  /**
   * Whether event files are written, in the stage's folder `tensorboard`.
   */
  tensorboard: boolean;
  wandb?: WandbConfig;
}
/**
 * Records at Weights & Biases, through its Python package: `pip install wandb`. The key comes from the environment, as WANDB_API_KEY; PIPELINE_PYTHON names another Python than `python3`.
 */
export interface WandbConfig {
  /**
   * Project of the run.
   */
  project: string;
  /**
   * User or team that the project belongs to; the key's own without it.
   */
  entity?: string;
  /**
   * Name of the run; pipeline and stage without it.
   */
  name?: string;
  /**
   * `online` sends as it goes, `offline` writes to the folder `wandb` beside the pipeline file for `wandb sync`, `disabled` does nothing.
   */
  mode: 'online' | 'offline' | 'disabled';
}
