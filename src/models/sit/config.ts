import type { ModelConfig } from '../../generated/index.js';

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

/**
 * Mediators of each block, from any of the three ways to write them; 0 is full attention. Of ranges that
 * overlap the last wins, and blocks outside of every range have full attention.
 *
 * @returns one count a block, `[depth]`
 */
export function mediatorsPerBlock({ mediators, depth }: Pick<ModelConfig, 'mediators' | 'depth'>): number[] {
  return Array.from({ length: depth }, (_, block) => {
    if (typeof mediators === 'number') return mediators;
    const entry = mediators.findLast((item, i) =>
      typeof item === 'number' ? i === block : item.blocks[0] <= block && block <= item.blocks[1],
    );
    return typeof entry === 'object' ? entry.mediators : (entry ?? 0);
  });
}
