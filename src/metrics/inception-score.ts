import type { Rows } from './matrix.js';

/**
 * exp of the mean divergence of each sample's class probabilities from their mean, averaged over splits.
 *
 * Source: Salimans et al., "Improved techniques for training GANs" (2016).
 *
 * @param probabilities of each class, for each sample; rows add up to 1
 * @param splitSize samples in a split, of which the last may be smaller; all by default
 */
export function inceptionScore(probabilities: Rows, splitSize = probabilities.count): number {
  const scores: number[] = [];
  for (let start = 0; start < probabilities.count; start += splitSize)
    scores.push(scoreOf(probabilities, start, Math.min(start + splitSize, probabilities.count)));
  return scores.reduce((sum, score) => sum + score, 0) / scores.length;
}

function scoreOf({ width, data }: Rows, start: number, end: number): number {
  const marginal = new Float64Array(width);
  for (let row = start; row < end; row++)
    for (let i = 0; i < width; i++) marginal[i]! += data[row * width + i]! / (end - start);
  let divergence = 0;
  for (let row = start; row < end; row++)
    for (let i = 0; i < width; i++) {
      const p = data[row * width + i]!;
      if (p > 0) divergence += p * Math.log(p / marginal[i]!);
    }
  return Math.exp(divergence / (end - start));
}
