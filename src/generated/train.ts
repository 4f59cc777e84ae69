// Generated from schemas/ by `npm run generate`. Do not edit.

/**
 * Trains a diffusion transformer with mediator attention (mediator-SiT) on latents, or on images that are encoded on the way.
 */
export interface TrainConfig {
  /**
   * The `encode` stage whose latents to train on; instead of `images` and `autoencoder`.
   */
  latents?: string;
  /**
   * The `images` stage to train on, instead of `latents`: each image is cropped, mirrored and encoded anew whenever it is drawn. Slower, as the autoencoder runs at every step.
   */
  images?: string;
  /**
   * With `images`: the `autoencoder` stage to encode with.
   */
  autoencoder?: string;
  /**
   * With `images`: whether an image is mirrored left to right in half of its draws: all, none, or those of some classes. Latents are mirrored where their `encode` stage says so.
   */
  flips: boolean | FlippedClasses;
  /**
   * With `images`: the middle square of an image, or a random square of at least 0.8 of its short side.
   */
  crop: 'centre' | 'random';
  /**
   * The model whose weights and moving average to begin with, instead of random ones: a `train` or `pretrained` stage, or a map with the path of a checkpoint and the keys of a `pretrained` stage. It must have the same width and heads; mediators, depth, classes, `qkNorm` and the size of latents may differ. Everything of the same name and shape is carried, rows of labels by the names of their classes, tables of positions resized; what is new begins such that the first output is that model's as nearly as can be. `plan` tells what is carried, resized, new and dropped. Latents are normalised as that model was trained with.
   */
  start?: string | StartFile;
  model: ModelConfig;
  /**
   * Passes over the data to train; instead of `steps`. Unit: epochs.
   */
  epochs?: number;
  /**
   * Steps to train; instead of `epochs`. Unit: steps.
   */
  steps?: number;
  /**
   * Latents in a step, over all workers. Unit: latents.
   */
  globalBatch: number;
  /**
   * How often each class is drawn: as often as it has images (`natural`), or all equally often (`balanced`), which serves rare classes better.
   */
  classSampling: 'natural' | 'balanced';
  /**
   * Highest learning rate of AdamW, reached after `warmupSteps`.
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
   * Decoupled weight decay of AdamW.
   */
  weightDecay: number;
  /**
   * Decay rates of AdamW's first and second moment.
   *
   * @minItems 2
   * @maxItems 2
   */
  betas: [number, number];
  /**
   * Largest global norm of the gradient; larger ones are scaled down to it. 0 turns it off.
   */
  gradientClip: number;
  /**
   * Parts in which each worker computes its share of the global batch, one after the other, so that less memory is needed. The results are the same up to rounding. Unit: parts.
   */
  accumulate: number;
  /**
   * Whether gradients compute every block anew from its input instead of keeping what is within it: about a third more time, and memory for one block at a time. The results are the same.
   */
  recompute: boolean;
  /**
   * Decay of the exponential moving average of the weights, per step; or a list of decays, one average each, the first of which is sampled from unless told otherwise.
   */
  ema: number | number[];
  /**
   * Path between noise (t = 0) and data (t = 1): `linear`, a straight line; `gvp`, a quarter circle of constant variance; `vp`, the variance-preserving diffusion of DDPM.
   */
  interpolant: 'linear' | 'gvp' | 'vp';
  /**
   * What the network outputs: the velocity along the path, the score, or the noise.
   */
  prediction: 'velocity' | 'score' | 'noise';
  /**
   * Weight of the squared error over time. Of a score or noise: `velocity` makes it the error of the velocity, `likelihood` bounds the likelihood. Of any prediction: `minSnr` weighs by the error of the data, and no time by more than `gamma`.
   */
  lossWeight: ('none' | 'velocity' | 'likelihood') | MinSnrWeight;
  /**
   * What the times trained on keep away from 0 and 1. Without it: 1e-5 for `vp`, otherwise 0 for a velocity and 1e-3 for a score or noise. A velocity along `linear` or `gvp` needs none.
   */
  trainEpsilon?: number;
  /**
   * Distribution of the times trained on: uniform between 0 and 1, or logit-normal, which trains the middle more.
   */
  timesteps: 'uniform' | LogitNormalTimesteps;
  /**
   * Moves the times trained on towards the noise, which larger images need: a factor of the noise-to-data ratio of the linear path, or the number of tokens at which there is no shift, from which it follows as the root of the ratio of tokens.
   */
  timestepShift: number | ResolutionShift;
  /**
   * Steps between two points of the logged curves. Unit: steps.
   */
  logEverySteps: number;
  samples?: TrainingSamplesConfig;
  records: RecordsConfig;
  /**
   * When training can be resumed from, and what is kept.
   */
  checkpoint: {
    /**
     * Steps between two checkpoints. Unit: steps.
     */
    everySteps: number;
    /**
     * Also saves at the end of every so many epochs. Unit: epochs.
     */
    everyEpochs?: number;
    /**
     * Newest checkpoints to keep; older ones are deleted once a newer one is whole. Unit: checkpoints.
     */
    keepLast: number;
    /**
     * Every so many of the checkpoints that `everyEpochs`, or without it `everySteps`, asks for is kept for good. Unit: checkpoints.
     */
    keepEvery?: number;
  };
}
export interface FlippedClasses {
  /**
   * Classes whose images may be mirrored.
   */
  classes: string[];
}
export interface StartFile {
  /**
   * A checkpoint or state dict of the reference (.pt or .safetensors), or a folder with the model.json of this project; relative to the pipeline file. The model's sizes are worked out from its tensors, which are all checked.
   */
  path: string;
  /**
   * Which weights to take from a checkpoint that has the last ones and their moving average: `all` keeps both apart, `ema` and `raw` take one of them for both.
   */
  weights: 'all' | 'ema' | 'raw';
  /**
   * Attention heads. Needed only where neither mediators nor the width and depth of one of the paper's models tell them. Unit: heads.
   */
  heads?: number;
  /**
   * Part of the labels that was replaced by the null class in training; 0 where there is no null class. Without it: 0.1 as in the reference, or 0 where the checkpoint's options count as many classes as there are rows of labels.
   */
  labelDropout?: number;
  /**
   * Path between noise and data that the model was trained on. Without it: what the file tells, or else `linear`.
   */
  interpolant?: 'linear' | 'gvp' | 'vp';
  /**
   * What the network outputs. Without it: what the file tells, or else `velocity`.
   */
  prediction?: 'velocity' | 'score' | 'noise';
  /**
   * What latents were multiplied by for training. Without it: 0.18215, as for the autoencoder of Stable Diffusion. A folder of this project tells it itself.
   */
  scalingFactor?: number;
  /**
   * Names of the classes in the order of the labels, for a model that has none of its own, or the same: a list, or a file with a name a line or a JSON array. Without it they are called as the model calls them, or by their numbers, from 0.
   */
  classes?: string[] | ClassesFile;
}
export interface ClassesFile {
  /**
   * Text with a name a line, or a .json file with an array of names; relative to the pipeline file.
   */
  file: string;
}
/**
 * The transformer: a `name` of the paper, or `hiddenSize`, `depth`, `heads` and `patchSize`.
 */
export interface ModelConfig {
  /**
   * Size (S, B, L or XL) and patch size of a model of the paper.
   */
  name?:
    | 'SiT-S/2'
    | 'SiT-S/4'
    | 'SiT-S/8'
    | 'SiT-B/2'
    | 'SiT-B/4'
    | 'SiT-B/8'
    | 'SiT-L/2'
    | 'SiT-L/4'
    | 'SiT-L/8'
    | 'SiT-XL/2'
    | 'SiT-XL/4'
    | 'SiT-XL/8';
  /**
   * Width of a token: a multiple of 4 and of `heads`. Unit: channels.
   */
  hiddenSize: number;
  /**
   * Transformer blocks. Unit: blocks.
   */
  depth: number;
  /**
   * Attention heads of a block. Unit: heads.
   */
  heads: number;
  /**
   * Width and height of the patch of latent that becomes a token. Unit: latent pixels.
   */
  patchSize: number;
  /**
   * Mediator tokens of the attention: a perfect square, or 0 for full attention. One number for all blocks, a list with a number for each block, or ranges of blocks (blocks outside of every range have full attention).
   */
  mediators: number | number[] | BlockMediators[];
  /**
   * Part of the labels replaced by the null class in training, which guidance needs.
   */
  labelDropout: number;
  /**
   * Normalise the queries and keys of each head, with a learned scale and offset: attention that stays stable in long trainings, in low precision and at high learning rates.
   */
  qkNorm: boolean;
}
export interface BlockMediators {
  /**
   * First and last block of the range, counted from 0, both included.
   *
   * @minItems 2
   * @maxItems 2
   */
  blocks: [number, number];
  /**
   * Mediator tokens of these blocks: a perfect square, or 0 for full attention. Unit: tokens.
   */
  mediators: number;
}
export interface MinSnrWeight {
  /**
   * Name of the weight.
   */
  kind: 'minSnr';
  /**
   * Highest weight of the squared error of the data, which is otherwise the signal-to-noise ratio.
   */
  gamma: number;
}
export interface LogitNormalTimesteps {
  /**
   * Name of the distribution.
   */
  kind: 'logitNormal';
  /**
   * Mean of the normal variable whose logistic function is the time.
   */
  mean: number;
  /**
   * Standard deviation of that variable.
   */
  std: number;
}
export interface ResolutionShift {
  /**
   * Tokens of an image that is trained without a shift, such as 256 for 256 pixels in patches of 16. Unit: tokens.
   */
  baseTokens: number;
}
/**
 * Pictures drawn by the moving average during training, as grids in `samples/` of the stage's output. Without it there are none. A model that is trained already is not trained again for them.
 */
export interface TrainingSamplesConfig {
  /**
   * Steps between two grids. Unit: steps.
   */
  everySteps: number;
  /**
   * The `autoencoder` stage that decodes the latents.
   */
  autoencoder: string;
  /**
   * Pictures of a grid, of all classes in turn, or spread over them where there are more. Unit: images.
   */
  count: number;
  /**
   * Points of the time grid of the ODE, by Heun's method. Unit: steps.
   */
  steps: number;
  /**
   * Strength of classifier-free guidance; 1 is none.
   */
  guidanceScale: number;
  /**
   * Latent channels that are guided: the first 3, as in the paper's code, or all.
   */
  guidanceChannels: 3 | 'all';
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
