import { tokensAfter } from '../models/sit/sit.js';
import type { SiTConfig } from '../models/sit/config.js';
import { selfHead } from '../models/sit/heads.js';
import { silu } from '../nn/activations.js';
import type { KeptTokens } from '../nn/kept-tokens.js';
import { linearOf } from '../nn/layers.js';
import { randomUniform, tf } from '../tensorflow/index.js';
import type { Tensor, Tensor1D, Tensor4D, Tensors } from '../tensorflow/index.js';
import { interpolate, type TimeInterval, type WeighedTransport } from '../transport/index.js';
import type { StepPoint } from './diffusion-loss.js';

/** Alignment of a model's early tokens with later ones that its moving average gives of less noise. */
export interface SelfAlignment {
  /** Blocks after which the model's tokens are aligned. */
  readonly blocks: number;
  /** Blocks after which the average's are taken. */
  readonly teacherBlocks: number;
  /** Most by which the average's time is ahead. */
  readonly timeAhead: number;
}

/** Difference from which on the loss is linear. */
const linearFrom = 0.05;

/**
 * The distance of the model's tokens, through the head, from those of its moving average at a time that is ahead by a
 * uniform draw, of the same data, noise and labels: the mean smooth absolute difference of each sample, `[batch]`.
 *
 * @param tokens of the model after `blocks` blocks, `[batch, tokens, hidden]`: all, or those that are kept
 * @param average weights of the moving average, by the model's names
 * @param key of the draws of times, int32 [2]
 * Source: Jiang et al., "No other representation component is needed: diffusion transformers can provide representation
 *   guidance by themselves", arXiv 2505.02831
 */
export function selfAlignmentLoss(
  { teacherBlocks, timeAhead }: SelfAlignment,
  model: SiTConfig,
  {
    tokens,
    weights,
    average,
    key,
    kept,
  }: Record<'tokens', Tensor> &
    Record<'weights' | 'average', Tensors> & {
      readonly key: Tensor1D;
      readonly kept?: KeptTokens | undefined;
    },
  { data, noise, t, y, firstSample }: StepPoint,
  { interpolant }: Pick<WeighedTransport, 'interpolant'>,
  [, end]: TimeInterval,
): Tensor {
  const ahead = randomUniform(key, firstSample, t.size, []).mul(timeAhead);
  const cleaner = t.add(ahead).minimum<Tensor1D>(end);
  const x = interpolate(interpolant, { data, noise, t: cleaner }) as Tensor4D;
  const target = tokensAfter(average, model, { x, t: cleaner, y }, teacherBlocks);
  return alignedDistance(weights, tokens, kept === undefined ? target : kept.take(target));
}

/** The distance of tokens, through the head, from a target of their shape, averaged over each sample: `[batch]`. */
export function alignedDistance(weights: Tensors, tokens: Tensor, target: Tensor): Tensor {
  const hidden = silu(linearOf(weights, selfHead.inner, tokens));
  const apart = tf.sub(linearOf(weights, selfHead.outer, hidden), target).abs();
  // Huber's loss over its threshold.
  const small = apart.minimum(linearFrom);
  const loss = small
    .square()
    .mul(0.5 / linearFrom)
    .add(apart.sub(small));
  return loss.mean([1, 2]);
}
