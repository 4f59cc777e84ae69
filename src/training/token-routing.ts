import { createHash } from 'node:crypto';
import { unsafeUniformIntDistribution as uniformInt, xoroshiro128plus } from 'pure-rand';
import { type HostTensor, int32 } from '../tensorflow/index.js';

/** Tokens of samples that are kept, as `KeptTokens` takes them. */
export interface DrawnTokens {
  /** [samples, kept] */
  readonly places: HostTensor;
  /** [samples, tokens] */
  readonly ranks: HostTensor;
}

/**
 * Draws `kept` of `tokens` for each sample, every choice as likely: a function of the seed and of the sample's place in
 * the order of all draws.
 *
 * Source: Krause et al., "TREAD: token routing for efficient architecture-agnostic diffusion training", arXiv 2501.04765
 */
export function drawTokens(
  seed: number,
  positions: readonly number[],
  { tokens, kept }: { readonly tokens: number; readonly kept: number },
): DrawnTokens {
  const places = new Int32Array(positions.length * kept);
  const ranks = new Int32Array(positions.length * tokens).fill(kept);
  for (const [sample, position] of positions.entries()) {
    const own = places.subarray(sample * kept, (sample + 1) * kept);
    own.set(choose(generatorOf(seed, position), tokens, kept).sort());
    for (const [rank, place] of own.entries()) ranks[sample * tokens + place] = rank;
  }
  return {
    places: int32([positions.length, kept], places),
    ranks: int32([positions.length, tokens], ranks),
  };
}

const generatorOf = (seed: number, position: number) =>
  xoroshiro128plus(createHash('sha256').update(`${seed}/token routing/${position}`).digest().readInt32LE(0));

/** The first cards of a deck that is shuffled. */
function choose(generator: ReturnType<typeof xoroshiro128plus>, from: number, count: number): Int32Array {
  const cards = Int32Array.from({ length: from }, (_, i) => i);
  for (let i = 0; i < count; i++) {
    const j = uniformInt(i, from - 1, generator);
    [cards[i], cards[j]] = [cards[j]!, cards[i]!];
  }
  return cards.subarray(0, count);
}
