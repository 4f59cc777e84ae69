// Generated from schemas/ by `npm run generate`. Do not edit.

/**
 * Trials that `pipeline sweep` runs: the same pipeline with other values. Where several of `grid`, `zip`, `points` and `random` are given, every choice of one is combined with every choice of the others.
 */
export interface SweepConfig {
  /**
   * Values by dotted key, as `--set` has them: every combination is a trial.
   */
  grid?: {
    [k: string]: unknown[];
  };
  /**
   * Values by dotted key, in lists of one length: the first values make one trial, the second the next.
   */
  zip?: {
    [k: string]: unknown[];
  };
  /**
   * Trials one by one: the values of each by dotted key.
   */
  points?: {
    [k: string]: unknown;
  }[];
  random?: RandomSweep;
}
/**
 * Trials with values drawn at random. Draw number 5 is the same whatever the count is.
 */
export interface RandomSweep {
  /**
   * Number of draws. Unit: trials.
   */
  count: number;
  /**
   * Where the randomness of the draws starts.
   */
  seed: number;
  /**
   * What to draw from, by dotted key.
   */
  values: {
    [k: string]: RandomValue;
  };
}
export interface RandomValue {
  /**
   * Least and greatest value; all between them are equally likely.
   *
   * @minItems 2
   * @maxItems 2
   */
  uniform?: [number, number];
  /**
   * Least and greatest value, both positive; all orders of magnitude between them are equally likely.
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
   * Whether `uniform` and `logUniform` give whole numbers.
   */
  integer: boolean;
}
