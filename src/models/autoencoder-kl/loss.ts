import { type Tensor1D, type Tensor4D, type Tensors, randomNormal, tf } from '../../tensorflow/index.js';
import { decode, encode } from './autoencoder-kl.js';
import type { AutoencoderConfig } from './config.js';

/**
 * Loss of an autoencoder: absolute plus squared error of the reconstruction, and the Kullback–Leibler divergence
 * of the posterior from a standard normal distribution, each averaged over its numbers.
 *
 * @param images [batch, size, size, 3] in [-1, 1]
 * @param noiseKey stream of the posterior's noise
 */
export function autoencoderLoss(
  weights: Tensors,
  config: AutoencoderConfig,
  { images, noiseKey }: { images: Tensor4D; noiseKey: Tensor1D },
  klWeight: number,
) {
  const { mean, logVariance } = encode(weights, config, images);
  const [batch, ...shape] = mean.shape;
  const noise = randomNormal(noiseKey, tf.zeros([1], 'int32'), batch, shape);
  const latents = mean.add<Tensor4D>(logVariance.mul(0.5).exp().mul(noise));
  const error = decode(weights, config, latents).sub(images);
  const reconstruction = error.abs().mean().add(error.square().mean());
  const kl = mean.square().add(logVariance.exp()).sub(logVariance).sub(1).mean().mul(0.5);
  return { loss: reconstruction.add(kl.mul(klWeight)), figures: { reconstruction, kl } };
}
