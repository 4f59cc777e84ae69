// Generated from schemas/ by `npm run generate`. Do not edit.

/**
 * Trains a convolutional autoencoder with a Gaussian latent (AutoencoderKL) from scratch, on reconstruction loss plus KL divergence. With `weights` it takes a trained autoencoder instead.
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
   * Width of the layers at each resolution, finest first. Each but the first halves height and width. If `downsample` asks for more, pixels are folded into channels before the first layer. Each width must be a multiple of `normGroups`. Unit: channels.
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
   * Images per step. Unit: images.
   */
  batch: number;
  /**
   * Frequency of each class: `natural` follows the number of its images; `balanced` draws all classes equally often, which serves rare classes better.
   */
  classSampling: 'natural' | 'balanced';
  /**
   * Highest learning rate, reached after `warmupSteps`.
   */
  learningRate: number;
  /**
   * Learning rate after the warm-up: `constant`, or down to zero along a cosine or a line.
   */
  schedule: 'constant' | 'cosine' | 'linear';
  /**
   * Steps over which the learning rate rises linearly from zero. Unit: steps.
   */
  warmupSteps: number;
  /**
   * Largest global norm of the gradient. Larger gradients are scaled down to it. 0 turns clipping off.
   */
  gradientClip: number;
  /**
   * Decay of the exponential moving average of the weights, per step. Later stages use the average.
   */
  ema: number;
  /**
   * Also uses images mirrored left to right: all, none, or those of some classes. Text and flags do not survive mirroring.
   */
  flips: boolean | FlippedClasses;
  /**
   * Steps between two points of the logged curves. Unit: steps.
   */
  logEverySteps: number;
  records: RecordsConfig;
  /**
   * Points from which training can resume.
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
 * Further destinations of the logged figures. `metrics.jsonl` (learning), `losses.jsonl` (losses by windows of steps) and `speed.jsonl` (speed) are always written. A service that fails is given up with a warning, and training continues.
 */
export interface RecordsConfig {
  /**
   * Writes event files to the stage's folder `tensorboard`.
   */
  tensorboard: boolean;
  wandb?: WandbConfig;
}
/**
 * Records at Weights & Biases, through its Python package (`pip install wandb`). The key comes from the environment variable WANDB_API_KEY. PIPELINE_PYTHON names a Python other than `python3`.
 */
export interface WandbConfig {
  /**
   * Project of the run.
   */
  project: string;
  /**
   * User or team that owns the project. Default: the key's own.
   */
  entity?: string;
  /**
   * Name of the run. Default: pipeline and stage.
   */
  name?: string;
  /**
   * `online` sends figures during training. `offline` writes them to the folder `wandb` beside the pipeline file, for `wandb sync`. `disabled` does nothing.
   */
  mode: 'online' | 'offline' | 'disabled';
}
