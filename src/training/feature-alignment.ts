import { featureHead, type FeatureHead } from '../models/sit/heads.js';
import { silu } from '../nn/activations.js';
import type { KeptTokens } from '../nn/kept-tokens.js';
import { convolution, linearOf } from '../nn/layers.js';
import { type Tensor, type Tensor4D, type Tensors, tf } from '../tensorflow/index.js';

/** Part of the mean over an image that spatial normalisation subtracts. */
const subtracted = 0.6;

/**
 * The negative cosine between the model's tokens, through the head, and an image's features, averaged over the tokens of
 * each sample: `[batch]`.
 *
 * @param tokens `[batch, tokens, hidden]`: all, or those that are kept
 * @param features of all tokens, `[batch, tokens, channels]`
 * Source: Yu et al., "Representation alignment for generation", arXiv 2410.06940; of the convolution Singh et al., "What
 *   matters for representation alignment: global information or spatial structure?", arXiv 2512.10794
 */
export function featureAlignmentLoss(
  { projection }: FeatureHead,
  weights: Tensors,
  tokens: Tensor,
  features: Tensor,
  kept?: KeptTokens,
): Tensor {
  const [first, second, third] = featureHead.mlp;
  const hidden = (of: Tensor, name: string) => silu(linearOf(weights, name, of));
  const projected =
    projection === 'mlp'
      ? linearOf(weights, third, hidden(hidden(tokens, first), second))
      : convolved(
          tokens,
          weights[`${featureHead.convolution}.weight`]!,
          weights[`${featureHead.convolution}.bias`]!,
          kept,
        );
  const target = kept === undefined ? features : kept.take(features);
  return normalised(projected).mul(normalised(target)).sum(-1).mean(1).neg();
}

/**
 * Features such that what differs from place to place stands out: each channel of an image without part of its mean, and
 * divided by its deviation. `[batch, tokens, channels]`.
 */
export function spatiallyNormalised(features: Tensor): Tensor {
  const mean = features.mean(1, true);
  const tokens = features.shape[1]!;
  const variance = features
    .sub(mean)
    .square()
    .sum(1, true)
    .div(Math.max(1, tokens - 1));
  return features.sub(mean.mul(subtracted)).div(variance.sqrt().add(1e-6));
}

/** Tokens that are not kept count as those outside of the grid do. */
function convolved(tokens: Tensor, weight: Tensor, bias: Tensor, kept?: KeptTokens): Tensor {
  const all = kept === undefined ? tokens : kept.put(tokens);
  const [batch, count, channels] = all.shape as [number, number, number];
  const grid = Math.sqrt(count);
  const map = all.reshape<Tensor4D>([batch, grid, grid, channels]);
  const result = convolution(map, weight, bias).reshape([batch, count, weight.shape[3]!]);
  return kept === undefined ? result : kept.take(result);
}

/** Vectors along the last axis of length 1. */
function normalised(x: Tensor): Tensor {
  return x.mul(tf.rsqrt(x.square().sum(-1, true).maximum(1e-24)));
}
