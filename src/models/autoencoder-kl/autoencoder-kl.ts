import { convolution, linearOf, upsampleNearest } from '../../nn/layers.js';
import { groupNorm, siluOfGroupNorm } from '../../nn/norms.js';
import { randomNormal, tf } from '../../tensorflow/index.js';
import type { Tensor, Tensor1D, Tensor4D, Tensors } from '../../tensorflow/index.js';
import type { AutoencoderConfig } from './config.js';

/** Bounds of the log-variance, so that its exponential stays finite. */
const logVarianceRange = [-30, 20] as const;

/** The normal distribution of latents that an image is encoded to. */
interface Posterior {
  /** [batch, height, width, latentChannels] */
  readonly mean: Tensor4D;
  readonly logVariance: Tensor4D;
}

/**
 * Encodes images [batch, height, width, 3] in [-1, 1] to the posterior over latents.
 * Source: Rombach et al., arXiv 2112.10752; diffusers' AutoencoderKL.
 */
export function encode(weights: Tensors, config: AutoencoderConfig, images: Tensor4D): Posterior {
  const { channels, layersPerBlock, normGroups, patchSize } = config;
  if (channels.length === 0)
    return { mean: images.clone(), logVariance: tf.fill(images.shape, logVarianceRange[0]) };
  let h = conv(weights, 'encoder.conv_in', fold(images, patchSize));
  channels.forEach((_, i) => {
    const name = `encoder.down_blocks.${i}`;
    for (let j = 0; j < layersPerBlock; j++) h = residual(weights, `${name}.resnets.${j}`, h, normGroups);
    if (i < channels.length - 1) h = conv(weights, `${name}.downsamplers.0.conv`, h, 2);
  });
  h = middle(weights, 'encoder', h, normGroups);
  h = siluOfNorm(weights, 'encoder.conv_norm_out', h, normGroups);
  h = conv(weights, 'encoder.conv_out', h);
  const moments = config.quantConvolution === false ? h : conv(weights, 'quant_conv', h);
  const [mean, logVariance] = tf.split(moments, 2, -1) as [Tensor4D, Tensor4D];
  return { mean, logVariance: logVariance.clipByValue(...logVarianceRange) as Tensor4D };
}

/** Decodes latents [batch, height, width, latentChannels] to images, near [-1, 1] but not clipped. */
export function decode(weights: Tensors, config: AutoencoderConfig, latents: Tensor4D): Tensor4D {
  const { channels, layersPerBlock, normGroups, patchSize } = config;
  if (channels.length === 0) return latents.clone();
  const input = config.postQuantConvolution === false ? latents : conv(weights, 'post_quant_conv', latents);
  let h = conv(weights, 'decoder.conv_in', input);
  h = middle(weights, 'decoder', h, normGroups);
  channels.forEach((_, i) => {
    const name = `decoder.up_blocks.${i}`;
    for (let j = 0; j <= layersPerBlock; j++) h = residual(weights, `${name}.resnets.${j}`, h, normGroups);
    if (i < channels.length - 1) h = conv(weights, `${name}.upsamplers.0.conv`, upsampleNearest(h));
  });
  h = siluOfNorm(weights, 'decoder.conv_norm_out', h, normGroups);
  return unfold(conv(weights, 'decoder.conv_out', h), patchSize);
}

function middle(weights: Tensors, side: string, x: Tensor4D, groups: number): Tensor4D {
  const name = `${side}.mid_block`;
  let h = residual(weights, `${name}.resnets.0`, x, groups);
  h = attention(weights, `${name}.attentions.0`, h, groups);
  return residual(weights, `${name}.resnets.1`, h, groups);
}

function residual(weights: Tensors, name: string, x: Tensor4D, groups: number): Tensor4D {
  let h = conv(weights, `${name}.conv1`, siluOfNorm(weights, `${name}.norm1`, x, groups));
  h = conv(weights, `${name}.conv2`, siluOfNorm(weights, `${name}.norm2`, h, groups));
  const shortcut = `${name}.conv_shortcut`;
  return (`${shortcut}.weight` in weights ? conv(weights, shortcut, x) : x).add(h);
}

/** Attention of every pixel to every other, with one head. */
function attention(weights: Tensors, name: string, x: Tensor4D, groups: number): Tensor4D {
  const [batch, height, width, channels] = x.shape;
  const tokens = norm(weights, `${name}.group_norm`, x, groups).reshape([batch, height * width, channels]);
  const map = (to: string, h: Tensor) => linearOf(weights, `${name}.${to}`, h);
  const scores = tf.matMul(map('to_q', tokens).mul(channels ** -0.5), map('to_k', tokens), false, true);
  const attended = map('to_out.0', tf.matMul(scores.softmax(), map('to_v', tokens)));
  return x.add(attended.reshape(x.shape));
}

/** Moves patches of pixels into channels: [batch, height, width, c] → [batch, height / patch, width / patch, patch² · c] */
function fold(x: Tensor4D, patch: number): Tensor4D {
  if (patch === 1) return x;
  const [batch, height, width, channels] = x.shape;
  return x
    .reshape([batch, height / patch, patch, width / patch, patch * channels])
    .transpose([0, 1, 3, 2, 4])
    .reshape([batch, height / patch, width / patch, patch * patch * channels]);
}

/** The inverse of `fold`. */
function unfold(x: Tensor4D, patch: number): Tensor4D {
  if (patch === 1) return x;
  const [batch, height, width, channels] = x.shape;
  return x
    .reshape([batch, height, width, patch, channels / patch])
    .transpose([0, 1, 3, 2, 4])
    .reshape([batch, height * patch, width * patch, channels / patch ** 2]);
}

function conv(weights: Tensors, name: string, x: Tensor4D, stride: 1 | 2 = 1): Tensor4D {
  return convolution(x, weights[`${name}.weight`]!, weights[`${name}.bias`]!, stride);
}

function norm(weights: Tensors, name: string, x: Tensor4D, groups: number): Tensor {
  return groupNorm(x, weights[`${name}.weight`]!, weights[`${name}.bias`]!, groups);
}

function siluOfNorm(weights: Tensors, name: string, x: Tensor4D, groups: number): Tensor4D {
  const norm = siluOfGroupNorm(x, weights[`${name}.weight`]!, weights[`${name}.bias`]!, groups);
  return norm as Tensor4D;
}

/**
 * Loss of an autoencoder: absolute plus squared error of the reconstruction, and the Kullback–Leibler divergence
 * of the posterior from a standard normal distribution, each averaged over its numbers.
 *
 * @param images [batch, size, size, 3] in [-1, 1]
 * @param noiseKey stream of the posterior's noise
 * @param firstSample int32 [1]: place of the first image in the batch of all workers
 */
export function autoencoderLoss(
  weights: Tensors,
  config: AutoencoderConfig,
  { images, noiseKey, firstSample }: { images: Tensor4D; noiseKey: Tensor1D; firstSample: Tensor1D },
  klWeight: number,
) {
  const { mean, logVariance } = encode(weights, config, images);
  const [batch, ...shape] = mean.shape;
  const noise = randomNormal(noiseKey, firstSample, batch, shape);
  const latents = mean.add<Tensor4D>(logVariance.mul(0.5).exp().mul(noise));
  const error = decode(weights, config, latents).sub(images);
  const reconstruction = error.abs().mean().add(error.square().mean());
  const kl = mean.square().add(logVariance.exp()).sub(logVariance).sub(1).mean().mul(0.5);
  return { loss: reconstruction.add(kl.mul(klWeight)), figures: { reconstruction, kl } };
}
