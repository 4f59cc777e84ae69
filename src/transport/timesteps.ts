import { type Tensor, tf } from '../tensorflow/index.js';
import type { TimeInterval } from './interval.js';
import { type TimeFunction, timeFunction } from './time-function.js';

/** Distribution of training times. */
export type TimestepSampling =
  | { readonly kind: 'uniform' }
  /** sigmoid(mean + std·n): a positive mean favours times near the data. Source: Esser et al., "SD3" (2024), 3.1. */
  | { readonly kind: 'logitNormal'; readonly mean: number; readonly std: number };

/** The kind of random numbers that `timesteps` wants as draws. */
export function drawsOf(sampling: TimestepSampling): 'uniform' | 'normal' {
  return sampling.kind === 'uniform' ? 'uniform' : 'normal';
}

/**
 * Times `[batch]` in the interval, from draws `[batch]` of the kind that `drawsOf` tells.
 *
 * @param shift from `resolutionShift`; 1 shifts nothing
 */
export function timesteps(
  sampling: TimestepSampling,
  draws: Tensor,
  [start, end]: TimeInterval,
  shift = 1,
): Tensor {
  return tf.tidy(() => {
    const unit =
      sampling.kind === 'uniform' ? draws : tf.sigmoid(tf.add(tf.mul(draws, sampling.std), sampling.mean));
    return tf.add(tf.mul(shiftTime(shift)(unit), end - start), start);
  });
}

/**
 * Moves times towards the noise by a factor: σ/α of the linear path grows by `shift`. For training and for the
 * time grid of a sampler. Source: SD3, equation 23, with time reversed.
 */
export function shiftTime(shift: number): TimeFunction {
  return timeFunction((t, { div, sub, mul }) => div(t, sub(shift, mul(t, shift - 1))));
}

/**
 * The shift at which as much of an image of `tokens` tokens is lost as of one of `baseTokens` without a shift: √(tokens
 * / baseTokens).
 */
export function resolutionShift(tokens: number, baseTokens: number): number {
  return Math.sqrt(tokens / baseTokens);
}
