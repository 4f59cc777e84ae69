import { type Tensor, tf } from '../tensorflow/index.js';
import { toScore, toVelocity } from './conversions.js';
import { type Interpolant, interpolants } from './interpolants/index.js';
import type { Prediction, TransportChoice } from './names.js';
import { type TimeFunction, over } from './time-function.js';

/** A path, and what a network puts out about it. */
export interface Transport {
  readonly interpolant: Interpolant;
  readonly prediction: Prediction;
}

/**
 * A function of states `[batch, …]` and their times `[batch]` that returns tensors like the states: a network with
 * its other inputs bound, or a field made of one.
 */
export type VectorField = (x: Tensor, t: Tensor) => Tensor;

export function transportOf({ interpolant, prediction }: TransportChoice): Transport {
  return { interpolant: interpolants[interpolant], prediction };
}

/** The velocity field of the path: the drift of the probability-flow ODE. */
export function velocityField({ interpolant, prediction }: Transport, model: VectorField): VectorField {
  return (x, t) => tf.tidy(() => toVelocity[prediction](interpolant, model(x, t), x, t));
}

/** The field ∇ log p_t(x). */
export function scoreField({ interpolant, prediction }: Transport, model: VectorField): VectorField {
  return (x, t) => tf.tidy(() => toScore[prediction](interpolant, model(x, t), x, t));
}

/** The drift v + w·score of the SDE with diffusion coefficient w; the model runs once. */
export function sdeDrift(transport: Transport, model: VectorField, diffusion: TimeFunction): VectorField {
  const { interpolant, prediction } = transport;
  return (x, t) =>
    tf.tidy(() => {
      const output = model(x, t);
      const velocity = toVelocity[prediction](interpolant, output, x, t);
      const score = toScore[prediction](interpolant, output, x, t);
      return tf.add(velocity, tf.mul(score, over(x, t, diffusion)));
    });
}
