// Generated from schemas/ by `npm run generate`. Do not edit.

/**
 * Writes one HTML page that draws with trained models in a browser, without a network.
 */
export interface PlaygroundConfig {
  /**
   * Heading of the page. Default: the pipeline's name.
   */
  title?: string;
  /**
   * The `train` or `pretrained` stage whose model to sample from.
   */
  model?: string;
  /**
   * Models that take turns, in place of one `model`. Each sample moves from one to the next on its own, as its states change less.
   */
  phases?: PhaseConfig[];
  /**
   * First distances whose mean is a sample's reference distance, with `phases`. Unit: steps.
   */
  firstSteps: number;
  /**
   * Distance between consecutive states, with `phases`: mean absolute (`mae`) or mean squared (`mse`) difference.
   */
  distance: 'mae' | 'mse';
  /**
   * The `autoencoder` stage that decodes the latents.
   */
  autoencoder: string;
  /**
   * Weights to sample with: the moving average (`ema`), the last weights (`raw`), the average of another decay that the training keeps, such as `ema-0.999`, the average of any relative width, such as `power-0.08`, if the training keeps snapshots of averages by a power (`ema: { kind: power, … }`), or the average that did best during training (`best`), if `evaluate.best` of the `train` stage keeps it.
   */
  weights: string;
  /**
   * Type of the weights in the page, in bits: 24 draw the latents of a `sample` stage to 0.001, 16 make the page smaller by a third, 32 are the weights as they are.
   */
  weightType: 'float16' | 'float24' | 'float32';
  sampler: SamplerConfig;
  /**
   * Strength of classifier-free guidance; 1 means none. Short for `guidance: { scale: … }`.
   */
  guidanceScale: number;
  /**
   * Latent channels to guide: the first 3, as in the paper's code, or all. Short for `guidance: { channels: … }`.
   */
  guidanceChannels: 3 | 'all';
  guidance?: GuidanceConfig;
}
export interface PhaseConfig {
  /**
   * The `train` or `pretrained` stage whose model draws the phase.
   */
  model: string;
  /**
   * Share of the sample's reference distance, which is the mean of its first distances. The phase ends when a later distance between consecutive states drops below it. Every phase but the last has one.
   */
  switchRatio?: number;
}
/**
 * Method that leads from noise to data.
 */
export interface SamplerConfig {
  /**
   * Stochastic (`sde`) or deterministic (`ode`) differential equation.
   */
  kind: 'sde' | 'ode';
  /**
   * Integrator, with its evaluations of the model per step. The SDE takes `eulerMaruyama` (1), `heun` (2); the ODE `euler` (1), `midpoint` (2), `heun` (2), `heun3` (3), `rk4` (4), `dopri5`, which chooses its own steps, `adamsBashforth` (1). Default: `eulerMaruyama` for the SDE, `heun` for the ODE.
   */
  method: 'eulerMaruyama' | 'heun' | 'euler' | 'midpoint' | 'heun3' | 'rk4' | 'dopri5' | 'adamsBashforth';
  /**
   * Points of the time grid. `dopri5` chooses steps between them by its tolerances. Unit: steps.
   */
  steps: number;
  /**
   * Shift of the time grid towards the noise, as `timestepShift` shifts training times: a factor, or the number of tokens without a shift. More than 1 takes shorter steps where there is much noise. Distances of `phases` are then those of a unit of time. Not for `dopri5`, which chooses its steps.
   */
  timeShift: number | ResolutionShift;
  /**
   * Order of `adamsBashforth`: steps that it uses, the current one included.
   */
  order: number;
  /**
   * Absolute error that `dopri5` allows per step and number of a state.
   */
  absoluteTolerance: number;
  /**
   * Relative error that `dopri5` allows per step and number of a state.
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
   * Last step of the SDE, which ends at the data: the mean of a step, Tweedie's formula, an Euler step of the ODE, or none.
   */
  lastStep: 'mean' | 'tweedie' | 'euler' | 'none';
  /**
   * Time that the SDE's last step covers. Not with `lastStep: none`, which takes no such step.
   */
  lastStepSize: number;
  /**
   * Margin kept between paths and ends at which something is divided by zero. Default: 0.001 at such ends, 0 at others.
   */
  sampleEpsilon?: number;
  featureCache?: FeatureCacheConfig;
}
export interface ResolutionShift {
  /**
   * Number of tokens without a shift, such as 256 for 256 pixels in patches of 16. Unit: tokens.
   */
  baseTokens: number;
}
/**
 * Evaluates the model's blocks only every few steps, and predicts in between what they add to the tokens by a Taylor series (TaylorSeer). For `eulerMaruyama` and `euler`.
 */
export interface FeatureCacheConfig {
  /**
   * Steps from one evaluation to the next. Unit: steps.
   */
  interval: number;
  /**
   * Number of derivatives in the series; 0 reuses the last result. Noise makes high orders useless: use 0 or 1 for the SDE.
   */
  order: number;
  /**
   * Steps that are evaluated before the first prediction, again for each model of `phases`. Unit: steps.
   */
  firstSteps: number;
}
/**
 * Guidance with all its options, in place of `guidanceScale` and `guidanceChannels`.
 */
export interface GuidanceConfig {
  /**
   * Strength of guidance away from the weaker model or from no class; 1 means none.
   */
  scale: number;
  /**
   * Latent channels to guide: the first 3, as in the paper's code, or all.
   */
  channels: 3 | 'all';
  /**
   * Times from 0 (noise) to 1 (data) between which guidance applies. Steps outside cost one evaluation of the model instead of two.
   *
   * @minItems 2
   * @maxItems 2
   */
  interval?: [number, number];
  /**
   * Autoguidance: the `train` or `pretrained` stage of a weaker model, which guidance leads away from under the same class. Default: the model itself under no class.
   */
  model?: string;
  /**
   * Weights of the weaker model.
   */
  weights: 'ema' | 'raw';
}
