// Generated from schemas/ by `npm run generate`. Do not edit.

/**
 * Draws latents from a trained model and stores them as `encode` does, of all classes in turn: a set to train on without images.
 */
export interface DrawConfig {
  /**
   * The `train` or `pretrained` stage whose moving average draws.
   */
  model: string;
  /**
   * Latents to draw. Unit: latents.
   */
  count: number;
  /**
   * Points of the time grid of the ODE, which Heun's method solves. Unit: steps.
   */
  steps: number;
  /**
   * Shift of the time grid towards the noise, as `timestepShift` shifts training times: a factor, or the number of tokens without a shift. More than 1 takes shorter steps where there is much noise. Default: 1.
   */
  timeShift?: number | ResolutionShift;
  /**
   * Strength of classifier-free guidance; 1 means none.
   */
  guidanceScale: number;
  /**
   * Latent channels to guide: the first 3, as in the paper's code, or all.
   */
  guidanceChannels: 3 | 'all';
  /**
   * Images computed at once. Affects speed, memory, and the last bit of rounding. Unit: images.
   */
  batch: number;
  /**
   * Number format of the stored latents.
   */
  dtype: 'float16' | 'float32';
}
export interface ResolutionShift {
  /**
   * Number of tokens without a shift, such as 256 for 256 pixels in patches of 16. Unit: tokens.
   */
  baseTokens: number;
}
