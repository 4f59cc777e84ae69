// Generated from schemas/ by `npm run generate`. Do not edit.

/**
 * Trials of `npx pipeline sweep`: the same pipeline with different values. If several of `grid`, `zip`, `points` and `random` are given, every choice of one is combined with every choice of the others.
 */
export interface SweepConfig {
  /**
   * Values by dotted key, as in `--set`. Every combination is a trial.
   */
  grid?: {
    [k: string]: unknown[];
  };
  /**
   * Values by dotted key, in lists of equal length. The first values make one trial, the second values the next.
   */
  zip?: {
    [k: string]: unknown[];
  };
  /**
   * Single trials, each with its values by dotted key.
   */
  points?: {
    [k: string]: unknown;
  }[];
  random?: RandomSweep;
  halving?: Halving;
}
/**
 * Trials with values drawn at random. Draw number 5 is the same for any `count`.
 */
export interface RandomSweep {
  /**
   * Number of draws. Unit: trials.
   */
  count: number;
  /**
   * Start of the random numbers of the draws.
   */
  seed: number;
  /**
   * Distributions by dotted key.
   */
  values: {
    [k: string]: RandomValue;
  };
}
export interface RandomValue {
  /**
   * Least and greatest value. All values between them are equally likely.
   *
   * @minItems 2
   * @maxItems 2
   */
  uniform?: [number, number];
  /**
   * Least and greatest value, both positive. All orders of magnitude between them are equally likely.
   *
   * @minItems 2
   * @maxItems 2
   */
  logUniform?: [number, number];
  /**
   * Values of any type, equally likely.
   */
  choice?: unknown[];
  /**
   * Makes `uniform` and `logUniform` give whole numbers.
   */
  integer: boolean;
}
/**
 * Stops bad trials early (successive halving). Every trial trains up to the first of `steps`. The better share of them by the stage's headline figure, such as the loss, goes on from its checkpoint to the next, and in the end to the last step. Without it, every trial runs to its end.
 */
export interface Halving {
  /**
   * Steps of the stage after which trials are compared, in ascending order. Unit: steps.
   */
  steps: number[];
  /**
   * Share of the compared trials that goes on each time, rounded up.
   */
  keep: number;
  /**
   * The training stage that trials are compared by. By default the last that differs between trials.
   */
  stage?: string;
}
