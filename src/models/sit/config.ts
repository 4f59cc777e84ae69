/** Architecture of a scalable interpolant transformer, with attention mediators or without. */
export interface SiTConfig {
  /** Height and width of a latent, in latent pixels. */
  readonly latentSize: number;
  readonly channels: number;
  readonly patchSize: number;
  readonly hiddenSize: number;
  readonly depth: number;
  readonly heads: number;
  readonly classes: number;
  /** Mediators of each block; 0 means full attention. */
  readonly mediators: readonly number[];
  /** Probability that training replaces a label with the null class. 0: there is no null class. */
  readonly labelDropout: number;
  /** True to normalise queries and keys, head by head. Default false. */
  readonly qkNorm?: boolean;
}

/** Tokens along one side of a model's grid. */
export function gridOf({ latentSize, patchSize }: SiTConfig): number {
  return latentSize / patchSize;
}

/** Scores of queries towards keys that are computed at a time: 128 MiB of them. */
export const scoresAtOnce = 2 ** 25;

/**
 * Into how many chunks full attention divides its queries: the least divisor of their number with which there are no more
 * than `atOnce` scores at a time.
 *
 * @param tables tables of scores, `tokens` by `tokens` each: one for each head of each sample
 */
export function queryChunks(tables: number, tokens: number, atOnce = scoresAtOnce): number {
  const wanted = Math.min((tables * tokens ** 2) / atOnce, tokens);
  let chunks = 1;
  while (tokens % chunks !== 0 || chunks < wanted) chunks++;
  return chunks;
}
