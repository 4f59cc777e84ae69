// Generated from schemas/ by `npm run generate`. Do not edit.

/**
 * Trains a diffusion transformer with mediator attention (mediator-SiT) on latents, or on images that it encodes at every step.
 */
export interface TrainConfig {
  /**
   * The `encode`, `latents` or `draw` stage whose latents to train on, in place of `images` and `autoencoder`.
   */
  latents?: string;
  /**
   * The `images` stage to train on, in place of `latents`. Each image is cropped, mirrored and encoded whenever it is drawn. Slower, because the autoencoder runs at every step.
   */
  images?: string;
  /**
   * The `autoencoder` stage to encode `images` with.
   */
  autoencoder?: string;
  /**
   * Mirrors `images` left to right in half of their draws: all, none, or those of some classes. For latents, set `flips` of their `encode` stage.
   */
  flips: boolean | FlippedClasses;
  /**
   * Part of each of the `images`: the middle square, or a random square of at least 0.8 of the short side.
   */
  crop: 'centre' | 'random';
  /**
   * Model whose weights and moving average training begins with: a `train` or `pretrained` stage, or a map with the path of a checkpoint and the keys of a `pretrained` stage. It must have the same width and heads; mediators, depth, classes, norms, the switches of blocks and the size of latents may differ. Tensors of the same name and shape are carried, rows of labels by the names of their classes, and tables of positions are resized. New tensors begin such that the first output is as near as possible to that model's. `plan` lists what is carried, resized, new and dropped. Latents are normalised as in that model's training.
   */
  start?: string | StartFile;
  teacher?: TeacherConfig;
  selfAlignment?: SelfAlignmentConfig;
  featureAlignment?: FeatureAlignmentConfig;
  modelGuidance?: ModelGuidanceConfig;
  tokenRouting?: TokenRoutingConfig;
  model: ModelConfig;
  /**
   * Passes over the data, in place of `steps`. Unit: epochs.
   */
  epochs?: number;
  /**
   * Steps to train, in place of `epochs`. Unit: steps.
   */
  steps?: number;
  /**
   * Latents per step, over all workers. Unit: latents.
   */
  globalBatch: number;
  /**
   * Frequency of each class: `natural` follows the number of its images; `balanced` draws all classes equally often, which serves rare classes better.
   */
  classSampling: 'natural' | 'balanced';
  /**
   * Highest learning rate of AdamW, reached after `warmupSteps`.
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
  optimizer?: MuonConfig;
  /**
   * Largest global norm of the gradient. Larger gradients are scaled down to it. 0 turns clipping off.
   */
  gradientClip: number;
  /**
   * Parts of each worker's share of the global batch, computed one after the other to save memory. Results are the same up to rounding. Unit: parts.
   */
  accumulate: number;
  /**
   * Computes every block again for its gradient instead of keeping its activations. Takes about a third more time, and memory for one block at a time. Results are the same.
   */
  recompute: boolean;
  /**
   * Decay of the exponential moving average of the weights, per step; a list of decays with one average each; or averages by a power of the step, from whose snapshots ones of any width are rebuilt after the training (EDM2's post-hoc averages). Sampling uses the first unless told otherwise.
   */
  ema: number | number[] | PowerAverages;
  /**
   * Path between noise (t = 0) and data (t = 1): `linear`, a straight line; `gvp`, a quarter circle of constant variance; `vp`, the variance-preserving diffusion of DDPM.
   */
  interpolant: 'linear' | 'gvp' | 'vp';
  /**
   * Output of the network: the velocity along the path, the score, the noise, or the data. With `data` and `lossWeight: velocity`, models learn from pixels too (JiT).
   */
  prediction: 'velocity' | 'score' | 'noise' | 'data';
  /**
   * Weight of the squared error over time. For score, noise and data, `velocity` makes it the error of the velocity; of data, no time weighs more than a share of noise of 0.05. For score and noise, `likelihood` bounds the likelihood. For any prediction, `minSnr` weighs by the error of the data, and no time by more than `gamma`.
   */
  lossWeight: ('none' | 'velocity' | 'likelihood') | MinSnrWeight;
  /**
   * Weight of the direction in the loss: one minus the cosine between the predicted velocity and the true one at each place of a latent, beside the squared error (velocity direction supervision, FasterDiT). For `prediction: velocity`. Default: none.
   */
  directionLoss?: number;
  /**
   * Margin kept between training times and 0 and 1. Default: 1e-5 for `vp`, otherwise 0 for a velocity or data and 1e-3 for a score or noise. A velocity along `linear` or `gvp` needs none.
   */
  trainEpsilon?: number;
  /**
   * Distribution of training times: uniform between 0 and 1, or logit-normal, which favours the middle.
   */
  timesteps: 'uniform' | LogitNormalTimesteps;
  /**
   * Shift of training times towards the noise, which larger images need: a factor of the noise-to-data ratio of the linear path, or the number of tokens without a shift. In the latter case the factor is the square root of the ratio of tokens.
   */
  timestepShift: number | ResolutionShift;
  until?: UntilConfig;
  /**
   * Steps between two points of the logged curves. Unit: steps.
   */
  logEverySteps: number;
  evaluate?: TrainingEvaluationConfig;
  samples?: TrainingSamplesConfig;
  records: RecordsConfig;
  /**
   * Points from which training can resume, and checkpoints that are kept.
   */
  checkpoint: {
    /**
     * Steps between two checkpoints. Unit: steps.
     */
    everySteps: number;
    /**
     * Epochs between additional checkpoints, saved at the end of an epoch. Unit: epochs.
     */
    everyEpochs?: number;
    /**
     * Number of newest checkpoints to keep. Older ones are deleted once a newer one is complete. Unit: checkpoints.
     */
    keepLast: number;
    /**
     * Interval of checkpoints that are kept for good, counted in checkpoints of `everyEpochs`, or of `everySteps` if that is not set. Unit: checkpoints.
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
   * A checkpoint or state dict of the reference (.pt or .safetensors), or a folder with the model.json of this project; relative to the pipeline file. `hf://owner/name/file@revision` is a file of a repository on Hugging Face, downloaded once into the cache that its libraries share. The tensors determine the model's sizes, and all of them are checked.
   */
  path: string;
  /**
   * Weights to take from a checkpoint that has the last ones and their moving average. `all` keeps both apart; `ema` and `raw` use one of them as both.
   */
  weights: 'all' | 'ema' | 'raw';
  /**
   * Attention heads. Needed only if neither mediators nor the width and depth of one of the paper's models determine them. Unit: heads.
   */
  heads?: number;
  /**
   * Share of labels that training replaced by the null class; 0 if there is no null class. Default: 0.1 as in the reference, or 0 if the checkpoint's options count as many classes as there are rows of labels.
   */
  labelDropout?: number;
  /**
   * Path between noise and data that the model was trained on. Default: the path that the file states, or else `linear`.
   */
  interpolant?: 'linear' | 'gvp' | 'vp';
  /**
   * Output of the network. Default: the one that the file states, or else `velocity`.
   */
  prediction?: 'velocity' | 'score' | 'noise' | 'data';
  /**
   * Factor that latents were multiplied by for training. Default: 0.18215, as for the autoencoder of Stable Diffusion. Folders of this project state their own.
   */
  scalingFactor?: number;
  /**
   * Names of the classes in the order of the labels, for a model without names of its own, or its own names: a list, or a file with one name per line or a JSON array. Default: the model's names, or numbers from 0.
   */
  classes?: string[] | ClassesFile;
}
export interface ClassesFile {
  /**
   * Text with one name per line, or an id and a name such as `LOC_synset_mapping.txt`, or a .json file with an array of names; relative to the pipeline file.
   */
  file: string;
}
/**
 * Trained model to learn from beside the data: at every point of a step, the output is drawn towards that model's output too (distillation). Width, depth, heads, mediators and patches may differ; classes are matched by name. Latents are normalised as in that model's training. Default: none.
 */
export interface TeacherConfig {
  /**
   * The `train` or `pretrained` stage to learn from. Its moving average is used.
   */
  model: string;
  /**
   * Part of the loss that is the distance from the teacher's output; the rest is the distance from the data. With 1, the data give nothing but the points.
   */
  weight: number;
  /**
   * Weight over the training: `constant`, or down to zero along a cosine or a line.
   */
  schedule: 'constant' | 'cosine' | 'linear';
  /**
   * Strength of classifier-free guidance of the teacher, which is folded into this model: it then draws guided samples at half the cost, without guidance of its own. 1 means none.
   */
  guidanceScale: number;
  /**
   * Latent channels to guide: the first 3, as in the paper's code, or all.
   */
  guidanceChannels: 3 | 'all';
}
/**
 * Aligns tokens of an early block with those that the moving average's later block gives of the same image with less noise (self-representation alignment, SRA). Trains the better features sooner, and needs no other network. The average is the first of `ema`. Default: none.
 */
export interface SelfAlignmentConfig {
  /**
   * Blocks after which the model's tokens are aligned. Default: a third of all. Unit: blocks.
   */
  blocks?: number;
  /**
   * Blocks after which the average's tokens are taken; at least `blocks`. Default: two thirds of all. Unit: blocks.
   */
  teacherBlocks?: number;
  /**
   * Most by which the average's time is nearer to the data; it is drawn uniformly from 0 on. Unit: of the path's time.
   */
  timeAhead: number;
  /**
   * Weight of the distance beside the loss.
   */
  weight: number;
  /**
   * Step before which it acts; later steps take no more time than without it. Default: all steps. Unit: steps.
   */
  untilStep?: number;
}
/**
 * Aligns tokens with features that EfficientNet-Lite0, a network trained on ImageNet, has of the same image (representation alignment, REPA, with iREPA's projection). The features are computed once for each image and kept in this user's cache. Needs the images that the latents were encoded from. Default: none.
 */
export interface FeatureAlignmentConfig {
  /**
   * The `images` stage that is trained on.
   */
  images: string;
  /**
   * Blocks after which the model's tokens are aligned. Default: a third of all. Unit: blocks.
   */
  blocks?: number;
  /**
   * Head between tokens and features, which is trained with the model: a convolution over 3 × 3 tokens, which keeps the image's layout better, or an MLP of three layers for each token.
   */
  projection: 'convolution' | 'mlp';
  /**
   * Width of the hidden layers of `mlp`. Default: 2048, or four times `hiddenSize` where that is less. Unit: channels.
   */
  width?: number;
  /**
   * `spatial` subtracts from each channel of the features 0.6 of its mean over the image, and divides by its deviation there, so that what differs from place to place stands out; `none` takes features as they are.
   */
  normalization: 'spatial' | 'none';
  /**
   * Weight of the negative cosine between projected tokens and features beside the loss.
   */
  weight: number;
  /**
   * Step before which it acts; later steps take no more time than without it. Default: all steps. Unit: steps.
   */
  untilStep?: number;
}
/**
 * Folds classifier-free guidance into the model while it trains: the target is moved by what a class changes in the moving average's output. The model then draws guided samples with one pass a step instead of two: use `guidanceScale: 1` of `sample`. The average is the first of `ema`. Needs classes and `labelDropout`. Default: none.
 */
export interface ModelGuidanceConfig {
  /**
   * Strength of the guidance that is learned; 1 would be none. The average that moves the target is guided itself, so that the model comes to draw as with a guidance of 1 / (2 − scale); from 2 on, targets would grow without bound.
   */
  scale: number;
  /**
   * First and last time, from 0 (noise) to 1 (data), at which targets are moved. Unit: of the path's time.
   *
   * @minItems 2
   * @maxItems 2
   */
  interval: [number, number];
  /**
   * Step from which it acts: before, the average knows too little of classes. Earlier steps take no more time than without it. Unit: steps.
   */
  fromStep: number;
}
/**
 * Saves training time: a random share of each sample's tokens bypasses blocks in the middle of the model and joins the others after them (token routing, TREAD). Mediators are then averages of the tokens that are left in their windows. Sampling and evaluation use all tokens. Default: none.
 */
export interface TokenRoutingConfig {
  /**
   * Share of the tokens that bypass the blocks, rounded down to whole tokens; 0 is none. Unit: of the tokens.
   */
  share: number;
  /**
   * First and last block that they bypass, counted from 0; at least one block for all tokens follows. Default: block 2 to the fourth from the end; of fewer than 8 blocks, all but the first and the last. Unit: blocks.
   *
   * @minItems 2
   * @maxItems 2
   */
  blocks?: [number, number];
  /**
   * Step before which tokens bypass blocks; later steps take all tokens, as sampling does, and the time that they take without it. Default: all steps. Unit: steps.
   */
  untilStep?: number;
}
/**
 * The transformer: a `name` of the paper, or `hiddenSize`, `depth`, `heads` and `patchSize`.
 */
export interface ModelConfig {
  /**
   * A model of the paper, by size (S, B, L or XL) and patch size.
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
   * Width and height of the patch of the latent that becomes a token. Unit: latent pixels.
   */
  patchSize: number;
  /**
   * Mediator tokens of the attention: a perfect square, or 0 for full attention. One number for all blocks, a list with one number per block, or ranges of blocks. Blocks outside every range have full attention.
   */
  mediators: number | number[] | BlockMediators[];
  /**
   * Share of labels that training replaces by the null class. Guidance needs it. With one class it is 0.
   */
  labelDropout: number;
  /**
   * Normalises the queries and keys of each head, with a learned scale and offset. Attention then stays stable in long trainings, in low precision and at high learning rates.
   */
  qkNorm: boolean;
  /**
   * Norms of the root mean square with a learned scale (RMSNorm) in place of layer norms, also those of `qkNorm`.
   */
  rmsNorm?: boolean;
  /**
   * Gated hidden layers (SwiGLU) in place of GELU, two thirds as wide, which cost the same.
   */
  swiGlu?: boolean;
  /**
   * Rotary positions (RoPE) beside the embedded ones: queries and keys are rotated by the row and column of their token, mediators by the middle of their window. A number spreads the places of the grid over so many tokens along a side, as of the smaller model that training starts from. Heads are then a multiple of 4 channels wide.
   */
  rope?: boolean | number;
  /**
   * Mixes the values of each block's attention but the first's with those of the first block, by a learned share that starts at one half (value residual learning). Needs two blocks or more; tokens that bypass blocks (`tokenRouting`) take the first.
   */
  valueResidual?: boolean;
  /**
   * Gives blocks with full attention what blocks with mediators have besides: position biases of the scores and a depthwise convolution of the values. A control for comparisons: it tells what mediators themselves change. For up to 256 tokens; the PyTorch reference has no such blocks.
   */
  mediatorExtras?: boolean;
}
export interface BlockMediators {
  /**
   * First and last block of the range, counted from 0, both inclusive.
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
/**
 * Optimizer of the matrices in the blocks' attention and MLP. Muon brings all singular values of an update near to 1; queries, keys and values, and the halves of `swiGlu`, count as matrices of their own. AdamW trains all else, with `learningRate`, `weightDecay` and `betas`. Default: AdamW trains all.
 */
export interface MuonConfig {
  /**
   * Name of the optimizer.
   */
  kind: 'muon';
  /**
   * Highest learning rate of Muon; `schedule` and `warmupSteps` hold for it too. Default: `learningRate` of the stage; with `scale: original`, 0.02.
   */
  learningRate?: number;
  /**
   * Decoupled weight decay of Muon. Default: `weightDecay` of the stage.
   */
  weightDecay?: number;
  /**
   * Decay rate of Muon's momentum, which is Nesterov's.
   */
  momentum: number;
  /**
   * Size of an update. `matchRmsAdamW` gives numbers the root mean square that AdamW's updates have, so that learning rates for AdamW serve. `original` gives singular values the size √max(1, outputs ÷ inputs), so that one learning rate serves models of all widths.
   */
  scale: 'matchRmsAdamW' | 'original';
}
export interface PowerAverages {
  /**
   * Name of the averages.
   */
  kind: 'power';
  /**
   * Deviation of each average's weights over the steps, as a share of all steps so far. Two that differ serve to rebuild others.
   */
  relativeWidths: number[];
  /**
   * Steps between two snapshots of the averages, which stay in the stage's output. The more there are, the narrower are the averages that can be rebuilt. Unit: steps.
   */
  snapshotEverySteps: number;
}
export interface MinSnrWeight {
  /**
   * Name of the weight.
   */
  kind: 'minSnr';
  /**
   * Upper bound of the weight of the data's squared error. Below it, the weight is the signal-to-noise ratio.
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
   * Number of tokens without a shift, such as 256 for 256 pixels in patches of 16. Unit: tokens.
   */
  baseTokens: number;
}
/**
 * Values of other keys up to a step, after which the stage's own hold: training begins otherwise than it goes on, without a second stage. Default: none.
 */
export interface UntilConfig {
  /**
   * Number of steps that take these values. Unit: steps.
   */
  step: number;
  /**
   * Distribution of training times: uniform between 0 and 1, or logit-normal, which favours the middle.
   */
  timesteps?: 'uniform' | LogitNormalTimesteps1;
  /**
   * Shift of training times towards the noise, which larger images need: a factor of the noise-to-data ratio of the linear path, or the number of tokens without a shift. In the latter case the factor is the square root of the ratio of tokens.
   */
  timestepShift?: number | ResolutionShift1;
  /**
   * Weight of the squared error over time. For score, noise and data, `velocity` makes it the error of the velocity; of data, no time weighs more than a share of noise of 0.05. For score and noise, `likelihood` bounds the likelihood. For any prediction, `minSnr` weighs by the error of the data, and no time by more than `gamma`.
   */
  lossWeight?: ('none' | 'velocity' | 'likelihood') | MinSnrWeight1;
  /**
   * Frequency of each class, as `classSampling` of the stage.
   */
  classSampling?: 'natural' | 'balanced';
}
export interface LogitNormalTimesteps1 {
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
export interface ResolutionShift1 {
  /**
   * Number of tokens without a shift, such as 256 for 256 pixels in patches of 16. Unit: tokens.
   */
  baseTokens: number;
}
export interface MinSnrWeight1 {
  /**
   * Name of the weight.
   */
  kind: 'minSnr';
  /**
   * Upper bound of the weight of the data's squared error. Below it, the weight is the signal-to-noise ratio.
   */
  gamma: number;
}
/**
 * Figures of samples that the moving average draws during training, always from the same noise and classes, in the log of metrics. They are those of `uses: evaluate`, of EfficientNet's features. Default: none.
 */
export interface TrainingEvaluationConfig {
  /**
   * Steps between two evaluations. The last step is evaluated too. Unit: steps.
   */
  everySteps: number;
  /**
   * The `autoencoder` stage that decodes the latents.
   */
  autoencoder: string;
  /**
   * The `images` stage to compare with.
   */
  reference: string;
  /**
   * Figures to compute.
   */
  metrics: ('frechetDistance' | 'kernelDistance' | 'precisionRecall' | 'classAgreement')[];
  /**
   * Figure by which the best moving average is kept, for `weights: best` of a `sample` stage. Default: none is kept.
   */
  best?: 'frechetDistance' | 'kernelDistance' | 'precision' | 'recall' | 'classAgreement';
  /**
   * Samples per evaluation, of all classes in turn, or spread over the classes if there are more of them. Unit: images.
   */
  count: number;
  /**
   * Points of the time grid of the ODE, which Heun's method solves. Unit: steps.
   */
  steps: number;
  /**
   * Shift of the time grid towards the noise, as `timestepShift` shifts training times: a factor, or the number of tokens without a shift. More than 1 takes shorter steps where there is much noise. Default: 1.
   */
  timeShift?: number | ResolutionShift2;
  /**
   * Strength of classifier-free guidance; 1 means none.
   */
  guidanceScale: number;
  /**
   * Latent channels to guide: the first 3, as in the paper's code, or all.
   */
  guidanceChannels: 3 | 'all';
}
export interface ResolutionShift2 {
  /**
   * Number of tokens without a shift, such as 256 for 256 pixels in patches of 16. Unit: tokens.
   */
  baseTokens: number;
}
/**
 * Pictures that the moving average draws during training, as grids in `samples/` of the stage's output. Default: none. Adding them does not train a finished model again.
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
   * Pictures per grid, of all classes in turn, or spread over the classes if there are more of them. Unit: images.
   */
  count: number;
  /**
   * Points of the time grid of the ODE, which Heun's method solves. Unit: steps.
   */
  steps: number;
  /**
   * Shift of the time grid towards the noise, as `timestepShift` shifts training times: a factor, or the number of tokens without a shift. More than 1 takes shorter steps where there is much noise. Default: 1.
   */
  timeShift?: number | ResolutionShift3;
  /**
   * Strength of classifier-free guidance; 1 means none.
   */
  guidanceScale: number;
  /**
   * Latent channels to guide: the first 3, as in the paper's code, or all.
   */
  guidanceChannels: 3 | 'all';
}
export interface ResolutionShift3 {
  /**
   * Number of tokens without a shift, such as 256 for 256 pixels in patches of 16. Unit: tokens.
   */
  baseTokens: number;
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
