import { type Tensor, tf } from '../tensorflow/index.js';
import type { Interpolant } from './interpolants/index.js';
import type { LossWeight } from './names.js';
import { type Time, type TimeFunction, over, timeFunction } from './time-function.js';
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
 * A score's error is that of the noise it implies. Weights: `velocity` makes the error one of the velocity, (W/α)²;
 * `likelihood` bounds the likelihood, W/(ασ). A velocity's error has no weight.
 *
 * Source: SiT, section 2.3.
 */
export function trainingLoss(
  transport: Transport & { readonly lossWeight: LossWeight },
  model: VectorField,
  point: TrainingPoint,
): Tensor {
  const { interpolant, prediction, lossWeight } = transport;
  const { noise, t } = point;
  return tf.tidy(() => {
    const x = interpolate(interpolant, point);
    const output = model(x, t);
    if (prediction === 'velocity') return meanSquare(tf.sub(output, velocityTarget(interpolant, point)));
    const error =
      prediction === 'noise'
        ? tf.sub(output, noise)
        : tf.add(tf.mul(output, over(x, t, interpolant.sigma)), noise);
    const loss = meanSquare(error);
    const weight = weights[lossWeight];
    return weight === undefined ? loss : tf.mul(loss, weight(interpolant)(t));
  });
}

const weights: Readonly<Record<LossWeight, ((interpolant: Interpolant) => TimeFunction) | undefined>> = {
  none: undefined,
  velocity: ({ alpha, wronskian }) =>
    timeFunction((t, { at, div, mul }) => {
      const ratio = div(at(wronskian, t), at(alpha, t));
      return mul(ratio, ratio);
    }),
  likelihood: ({ alpha, sigma, wronskian }) =>
    timeFunction((t, { at, div, mul }) => div(at(wronskian, t), mul(at(alpha, t), at(sigma, t)))),
};

function combine(data: Tensor, a: Time, noise: Tensor, s: Time): Tensor {
  return tf.tidy(() => tf.add(tf.mul(data, a), tf.mul(noise, s)));
}

function meanSquare(error: Tensor): Tensor {
  const axes = error.shape.map((_, axis) => axis).slice(1);
  return tf.mean(tf.square(error), axes);
}
