// Generated from schemas/ by `npm run generate`. Do not edit.

/**
 * Measures a trained model's attention block by block: how alike its rows are, and how far each block's output moves when mediators take the place of its attention. Proposes a count of mediators for each block.
 */
export interface AttentionConfig {
  /**
   * The `train` or `pretrained` stage to measure, by its moving average. Blocks with full attention are measured.
   */
  model: string;
  /**
   * Counts of mediators to try. Those that would save nothing are passed over.
   */
  mediators: number[];
  /**
   * Share of the model's multiply-accumulates that the proposal is to save at least. Default: half of the most that these counts can save.
   */
  saving?: number;
  /**
   * Samples that the model draws to be measured on, of all classes in turn. Unit: samples.
   */
  count: number;
  /**
   * Number of times between noise (0) and data (1) to measure at. Unit: times.
   */
  times: number;
  /**
   * Points of the time grid of the ODE that draws the samples, which Heun's method solves. Unit: steps.
   */
  steps: number;
  /**
   * Shift of the time grid towards the noise, as `timestepShift` shifts training times: a factor, or the number of tokens without a shift. More than 1 takes shorter steps where there is much noise. Default: 1.
   */
  timeShift?: number | ResolutionShift;
}
export interface ResolutionShift {
  /**
   * Number of tokens without a shift, such as 256 for 256 pixels in patches of 16. Unit: tokens.
   */
  baseTokens: number;
}
