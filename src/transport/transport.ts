import { tf } from '../tensorflow/index.js';
import { toScore, toVelocity } from './conversions.js';
import { type Interpolant, interpolants } from './interpolants.js';
import type { DiffusionForm, Prediction, TransportChoice } from './names.js';
import { over, type TimeFunction, timeFunction, type VectorField } from './time-function.js';

/** A path, and what a network puts out about it. */
export interface Transport {
  readonly interpolant: Interpolant;
  readonly prediction: Prediction;
}

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

/**
 * The diffusion coefficient w(t) of the SDE dx = (v + w·score) dt + √(2w) dW, which has the path's marginals
 * whatever w is. `norm` scales it.
 *
 * `sbdm` is the coefficient of score-based diffusion models, σW/α: it divides by zero at t = 0 for the linear and gvp
 * interpolants.
 *
 * Source: SiT, section 2.4 and table 7.
 */
export function diffusionCoefficient(interpolant: Interpolant, form: DiffusionForm, norm = 1): TimeFunction {
  switch (form) {
    case 'constant':
      return timeFunction(() => norm);
    case 'sbdm':
      return sbdm(interpolant, norm);
    case 'sigma':
      return timeFunction((t, { at, mul }) => mul(at(interpolant.sigma, t), norm));
    case 'linear':
      return timeFunction((t, { sub, mul }) => mul(sub(1, t), norm));
    case 'decreasing':
      return timeFunction((t, { cos, mul, add }) => {
        const root = add(mul(cos(mul(t, Math.PI)), norm), 1);
        return mul(mul(root, root), 0.25);
      });
    case 'increasingDecreasing':
      return timeFunction((t, { sin, mul }) => {
        const root = sin(mul(t, Math.PI));
        return mul(mul(root, root), norm);
      });
  }
}

function sbdm({ alpha, sigma, wronskian }: Interpolant, norm: number): TimeFunction {
  return timeFunction((t, { at, mul, div }) =>
    mul(div(mul(at(sigma, t), at(wronskian, t)), at(alpha, t)), norm),
  );
}
