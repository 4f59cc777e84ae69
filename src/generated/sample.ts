// Generated from schemas/ by `npm run generate`. Do not edit.

/**
 * Draws images with a trained model: PNG files and an .npz of all of them.
 */
export interface SampleConfig {
  /**
   * The `train` or `pretrained` stage whose model to sample from.
   */
  model?: string;
  /**
   * Models by turns instead of one `model`: each sample goes from one to the next as its states change less, on its own.
   */
  phases?: PhaseConfig[];
  /**
   * With `phases`: how many of a sample's first distances are averaged, which later ones are compared with. Unit: steps.
   */
  firstSteps: number;
  /**
   * With `phases`: mean absolute (`mae`) or mean squared (`mse`) difference between successive states.
   */
  distance: 'mae' | 'mse';
  /**
   * The `autoencoder` stage that decodes the latents.
   */
  autoencoder: string;
  /**
   * Averaged weights (`ema`), the last ones (`raw`), or the average of another decay that the training keeps, such as `ema-0.999`.
   */
  weights: string;
  /**
   * Images to draw. Unit: images.
   */
  count: number;
  /**
   * Class of each image: `balanced` takes all classes in turn, `random` draws them, a list of names or numbers (from 0) takes these in turn.
   */
  classes: ('balanced' | 'random') | (string | number)[];
  /**
   * Images computed at once: a matter of speed and memory, and of the last bit of rounding. Unit: images.
   */
  batch: number;
  /**
   * Memory that the autoencoder's computation may take beside its weights. A batch is divided until it fits; an image that does not fit by itself is computed in overlapping tiles that fade into each other, which changes it a little. Unit: MiB.
   */
  autoencoderMemoryMiB: number;
  sampler: SamplerConfig;
  /**
   * Strength of classifier-free guidance; 1 is none. Short for `guidance: { scale: … }`.
   */
  guidanceScale: number;
  /**
   * Latent channels that are guided: the first 3, as in the paper's code, or all. Short for `guidance: { channels: … }`.
   */
  guidanceChannels: 3 | 'all';
  guidance?: GuidanceConfig;
  /**
   * From data to noise: the `encode` stage whose first `count` latents are carried back along the ODE. The noise is written to `noise.npz`, and drawn again from there.
   */
  reverse?: string;
  /**
   * Whether to measure how likely each sample is under the model's ODE, in bits per dimension of its latent: of what was drawn, or with `reverse` of the data.
   */
  likelihood: boolean;
  trajectory?: TrajectoryConfig;
}
export interface PhaseConfig {
  /**
   * The `train` or `pretrained` stage whose model draws the phase.
   */
  model: string;
  /**
   * The phase ends for a sample when the distance between successive states falls below this share of the mean of its first distances. Every phase but the last has one.
   */
  switchRatio?: number;
}
/**
 * How to get from noise to data.
 */
export interface SamplerConfig {
  /**
   * Stochastic (`sde`) or deterministic (`ode`) differential equation.
   */
  kind: 'sde' | 'ode';
  /**
   * Integrator; by default `eulerMaruyama` for the SDE, `heun` for the ODE. The SDE takes `eulerMaruyama` (one evaluation of the model a step) or `heun` (two); the ODE `euler` (1), `midpoint` (2), `heun` (2), `heun3` (3), `rk4` (4), `adamsBashforth` (1), or `dopri5`, which chooses its own steps.
   */
  method: 'eulerMaruyama' | 'heun' | 'euler' | 'midpoint' | 'heun3' | 'rk4' | 'dopri5' | 'adamsBashforth';
  /**
   * Points of the time grid. `dopri5` steps between them as its tolerances ask. Unit: steps.
   */
  steps: number;
  /**
   * With `adamsBashforth`: how many steps are looked back on, this one included.
   */
  order: number;
  /**
   * With `dopri5`: error that a number of a state may have in a step, whatever its size.
   */
  absoluteTolerance: number;
  /**
   * With `dopri5`: error that a number of a state may have in a step, as a share of it.
   */
  relativeTolerance: number;
  /**
   * Form of the SDE's diffusion coefficient over time.
   */
  diffusion: 'constant' | 'sbdm' | 'sigma' | 'linear' | 'decreasing' | 'increasingDecreasing';
  /**
   * Factor of the SDE's diffusion coefficient.
   */
  diffusionNorm: number;
  /**
   * The SDE's last step, which ends at the data: the mean of a step, Tweedie's formula, an Euler step of the ODE, or none.
   */
  lastStep: 'mean' | 'tweedie' | 'euler' | 'none';
  /**
   * Time that the SDE's last step covers; ignored with `lastStep: none`.
   */
  lastStepSize: number;
  /**
   * Time that paths keep away from ends where something is divided by zero. By default 0 where nothing is, and 0.001 otherwise.
   */
  sampleEpsilon?: number;
  featureCache?: FeatureCacheConfig;
}
/**
 * Computes what the model's blocks add to its tokens only every few steps and predicts it in between, by Taylor's series (TaylorSeer). For `eulerMaruyama` and `euler`.
 */
export interface FeatureCacheConfig {
  /**
   * Steps from one computation to the next. Unit: steps.
   */
  interval: number;
  /**
   * Derivatives that are used; 0 takes what was computed last as it is. Noise makes high ones useless: for the SDE 0 or 1.
   */
  order: number;
  /**
   * Steps that are computed before the first is predicted, of each model of `phases` anew. Unit: steps.
   */
  firstSteps: number;
}
/**
 * All about guidance, in place of `guidanceScale` and `guidanceChannels`.
 */
export interface GuidanceConfig {
  /**
   * How far beyond the model to go, away from what it is compared with; 1 is no guidance.
   */
  scale: number;
  /**
   * Latent channels that are guided: the first 3, as in the paper's code, or all.
   */
  channels: 3 | 'all';
  /**
   * Times from 0 (noise) to 1 (data) between which to guide. Steps outside cost one evaluation of the model instead of two.
   *
   * @minItems 2
   * @maxItems 2
   */
  interval?: [number, number];
  /**
   * Autoguidance: the `train` or `pretrained` stage of a weaker model to go away from, under the same class. Without it the model is compared with itself under no class.
   */
  model?: string;
  /**
   * Weights of the weaker model.
   */
  weights: 'ema' | 'raw';
}
/**
 * Pictures of samples on their way: a row a sample, a column a step, in `trajectory.png`.
 */
export interface TrajectoryConfig {
  /**
   * Numbers of the samples, from 0.
   */
  samples: number[];
  /**
   * After which steps to look, from 1; or how many times, evenly from the first step to the last.
   */
  steps: number | number[];
}
