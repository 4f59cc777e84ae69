import { type Tensor, tf } from '../tensorflow/index.js';
import type { Interpolant } from './interpolants/index.js';
import { type LossWeighting, errorWeight } from './loss-weight.js';
import { type Time, over } from './time-function.js';
import type { Transport, VectorField } from './transport.js';

/** What a network is trained on: data and noise `[batch, …]`, times `[batch]`. */
export interface TrainingPoint {
  readonly data: Tensor;
  readonly noise: Tensor;
  readonly t: Tensor;
}

/** x = α·data + σ·noise */
export function interpolate({ alpha, sigma }: Interpolant, { data, noise, t }: TrainingPoint): Tensor {
  return combine(data, over(data, t, alpha), noise, over(data, t, sigma));
}

/** v = α'·data + σ'·noise */
export function velocityTarget({ dAlpha, dSigma }: Interpolant, { data, noise, t }: TrainingPoint): Tensor {
  return combine(data, over(data, t, dAlpha), noise, over(data, t, dSigma));
}

/**
 * The squared error of the network's output, averaged over each sample: `[batch]`.
 *
 * A score's error is that of the noise it implies. `errorWeight` tells the weights.
 *
 * Source: SiT, section 2.3.
 */
export function trainingLoss(
  transport: Transport & { readonly lossWeight: LossWeighting },
  model: VectorField,
  point: TrainingPoint,
): Tensor {
  const { interpolant, prediction, lossWeight } = transport;
  const { t } = point;
  return tf.tidy(() => {
    const x = interpolate(interpolant, point);
    const output = model(x, t);
    const loss = meanSquare(errorOf(output, x, transport, point));
    const weight = errorWeight(interpolant, prediction, lossWeight);
    return weight === undefined ? loss : tf.mul(loss, weight(t));
  });
}

function errorOf(
  output: Tensor,
  x: Tensor,
  { interpolant, prediction }: Transport,
  point: TrainingPoint,
): Tensor {
  switch (prediction) {
    case 'velocity':
      return tf.sub(output, velocityTarget(interpolant, point));
    case 'noise':
      return tf.sub(output, point.noise);
    case 'score':
      return tf.add(tf.mul(output, over(x, point.t, interpolant.sigma)), point.noise);
  }
}

function combine(data: Tensor, a: Time, noise: Tensor, s: Time): Tensor {
  return tf.tidy(() => tf.add(tf.mul(data, a), tf.mul(noise, s)));
}

function meanSquare(error: Tensor): Tensor {
  const axes = error.shape.map((_, axis) => axis).slice(1);
  return tf.mean(tf.square(error), axes);
}
