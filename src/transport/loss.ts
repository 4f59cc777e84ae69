import { type Tensor, tf } from '../tensorflow/index.js';
import { velocityOverData } from './conversions.js';
import type { Interpolant } from './interpolants.js';
import type { LossWeight, Prediction } from './names.js';
import { over, type Time, type TimeFunction, timeFunction, type VectorField } from './time-function.js';
import type { Transport } from './transport.js';

/** Point that a network is trained on: data and noise `[batch, …]`, times `[batch]`. */
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

/** A path, a prediction, and the weight of its errors. */
export type WeighedTransport = Transport & { readonly lossWeight: LossWeighting };

/**
 * The squared error of the network's output, averaged over each sample: `[batch]`.
 *
 * A score's error is that of the noise it implies. `errorWeight` tells the weights.
 *
 * Source: SiT, section 2.3.
 */
export function trainingLoss(transport: WeighedTransport, model: VectorField, point: TrainingPoint): Tensor {
  return tf.tidy(() => {
    const x = interpolate(transport.interpolant, point);
    return outputLoss(transport, model(x, point.t), x, point);
  });
}

/**
 * The loss of `trainingLoss`, of an output at x.
 *
 * @param shift what the output is to have beside its target
 */
export function outputLoss(
  transport: WeighedTransport,
  output: Tensor,
  x: Tensor,
  point: TrainingPoint,
  shift?: Tensor,
): Tensor {
  return tf.tidy(() => {
    const wanted = shift === undefined ? output : tf.sub(output, shift);
    return weighed(transport, errorOf(wanted, x, transport, point), point.t);
  });
}

/** Part of the target's length that shorter outputs count as: at the start they are zero, and have no direction. */
const leastLength = 0.1;

/**
 * One minus the cosine between an output and the velocity along the channels, averaged over the places of each sample:
 * `[batch]`. Outputs of less than a tenth of the velocity's length count as that long, which bounds the gradient.
 *
 * @param shift what the output is to have beside its target
 * Source: Yao et al., "FasterDiT", arXiv 2410.10356, section 4.3; LightningDiT's `use_cosine_loss`
 */
export function directionLoss(
  interpolant: Interpolant,
  output: Tensor,
  point: TrainingPoint,
  shift?: Tensor,
): Tensor {
  return tf.tidy(() => {
    const velocity = velocityTarget(interpolant, point);
    const target = shift === undefined ? velocity : tf.add(velocity, shift);
    const squares = (x: Tensor) => tf.sum(tf.square(x), -1);
    const wanted = tf.maximum(squares(target), 1e-12);
    const length = tf.sqrt(tf.mul(tf.maximum(squares(output), tf.mul(wanted, leastLength ** 2)), wanted));
    const cosine = tf.div(tf.sum(tf.mul(output, target), -1), length);
    const axes = cosine.shape.map((_, axis) => axis).slice(1);
    return tf.sub(1, tf.mean(cosine, axes));
  });
}

/**
 * The loss of `outputLoss` of the difference of an output from what a teacher gives at the same points.
 *
 * Source: Hinton, Vinyals and Dean, "Distilling the knowledge in a neural network", arXiv 1503.02531.
 */
export function distanceLoss(
  transport: WeighedTransport,
  output: Tensor,
  teacher: Tensor,
  t: Tensor,
): Tensor {
  return tf.tidy(() => {
    const apart = tf.sub(output, teacher);
    // Of scores the error is that of the noise, as with the data.
    const { interpolant, prediction } = transport;
    const error = prediction === 'score' ? tf.mul(apart, over(apart, t, interpolant.sigma)) : apart;
    return weighed(transport, error, t);
  });
}

/** The mean square of an output's error, times its weight at a time: `[batch]`. */
function weighed(
  { interpolant, prediction, lossWeight }: WeighedTransport,
  error: Tensor,
  t: Tensor,
): Tensor {
  const loss = meanSquare(error);
  const weight = errorWeight(interpolant, prediction, lossWeight);
  return weight === undefined ? loss : tf.mul(loss, weight(t));
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
    case 'data':
      return tf.sub(output, point.data);
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

/** The weight min(SNR, gamma) of the data's squared error, whatever is predicted; SNR = α²/σ². */
export interface MinSnrWeight {
  readonly kind: 'minSnr';
  readonly gamma: number;
}

/** Weight over time of the squared error of a network's output. */
export type LossWeighting = LossWeight | MinSnrWeight;

/**
 * The factor of the mean square of an output's error at a time; nothing where it is 1.
 *
 * `velocity` makes the error one of the velocity, (W/α)², or (W/σ)² of the data's with a bound on σ; `likelihood` bounds
 * the likelihood, W/(ασ): a velocity's error has neither. `minSnr`: an error e of the data is an error -eα/σ of the noise and eW/σ of the velocity, so that
 * min(SNR, γ)e² is min(1, γσ²/α²) times the square of the noise's and min(α², γσ²)/W² times that of the velocity's.
 *
 * Source: SiT, section 2.3; Hang et al., "Efficient diffusion training via min-SNR weighting" (2023), section 3.4.
 */
export function errorWeight(
  interpolant: Interpolant,
  prediction: Prediction,
  weighting: LossWeighting,
): TimeFunction | undefined {
  const { alpha, sigma, wronskian } = interpolant;
  if (typeof weighting === 'object') return minSnr(interpolant, prediction, weighting.gamma);
  if (weighting === 'none' || prediction === 'velocity') return undefined;
  if (weighting === 'velocity') {
    const ratio =
      prediction === 'data'
        ? velocityOverData(interpolant)
        : timeFunction((t, { at, div }) => div(at(wronskian, t), at(alpha, t)));
    return timeFunction((t, { at, mul }) => mul(at(ratio, t), at(ratio, t)));
  }
  return timeFunction((t, { at, div, mul }) => div(at(wronskian, t), mul(at(alpha, t), at(sigma, t))));
}

function minSnr({ alpha, sigma, wronskian }: Interpolant, prediction: Prediction, gamma: number) {
  return timeFunction((t, { at, div, mul, min }) => {
    const square = (f: TimeFunction) => mul(at(f, t), at(f, t));
    const highest = mul(square(sigma), gamma);
    if (prediction === 'data') return min(div(square(alpha), square(sigma)), gamma);
    if (prediction !== 'velocity') return min(div(highest, square(alpha)), 1);
    return div(min(highest, square(alpha)), square(wronskian));
  });
}
