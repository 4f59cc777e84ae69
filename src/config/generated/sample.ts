// Generated from schemas/ by `npm run generate`. Do not edit.

/**
 * Draws images with a trained model: PNG files and an .npz of all of them.
 */
export interface SampleConfig {
  /**
   * The `train` stage whose model to sample from.
   */
  model: string;
  /**
   * The `autoencoder` stage that decodes the latents.
   */
  autoencoder: string;
  /**
   * Averaged weights (`ema`) or the last ones (`raw`).
   */
  weights: 'ema' | 'raw';
  /**
   * Images to draw. Unit: images.
   */
  count: number;
  /**
   * Class of each image: `balanced` takes all classes in turn, `random` draws them, a list takes these in turn.
   */
  classes: ('balanced' | 'random') | string[];
  /**
   * Images computed at once: a matter of speed and memory, and of the last bit of rounding. Unit: images.
   */
  batch: number;
  sampler: SamplerConfig;
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
 * How to get from noise to data.
 */
export interface SamplerConfig {
  /**
   * Stochastic (`sde`, by Euler–Maruyama) or deterministic (`ode`, by Heun's method) differential equation.
   */
  kind: 'sde' | 'ode';
  /**
   * Points of the time grid. Unit: steps.
   */
  steps: number;
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
}
