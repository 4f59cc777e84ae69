import { type Tensor, tf } from '../../tensorflow/index.js';
import type { VectorField } from '../../transport/index.js';
import { type OdeStepInputs, type Tableau, along, perSample, stageSlopes } from './runge-kutta.js';

/**
 * Dormand and Prince's pair of orders 5 and 4: seven stages, of which the last is the next step's first. Results are
 * of order 5, the difference to order 4 estimates the error, and a value at the step's middle gives dense output of
 * order 4.
 *
 * Source: Dormand and Prince, "A family of embedded Runge–Kutta formulae" (1980); the formula of order 4 and the middle:
 * Shampine, "Some practical Runge–Kutta formulas" (1986), as in torchdiffeq's `dopri5`.
 */
const weights = [35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84];

const tableau: Tableau = {
  nodes: [1 / 5, 3 / 10, 4 / 5, 8 / 9, 1, 1],
  stages: [
    [1 / 5],
    [3 / 40, 9 / 40],
    [44 / 45, -56 / 15, 32 / 9],
    [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729],
    [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656],
    weights,
  ],
  weights,
};

const embedded = [1951 / 21600, 0, 22642 / 50085, 451 / 720, -12231 / 42400, 649 / 6300, 1 / 60];
const errorWeights = embedded.map((weight, i) => (weights[i] ?? 0) - weight);

const middle = [
  6025192743 / 30085553152,
  0,
  51252292925 / 65400821598,
  -2691868925 / 45128329728,
  187940372067 / 1594534317056,
  -1776094331 / 19743644256,
  11237099 / 235043384,
].map((weight) => weight / 2);

export interface Tolerances {
  readonly absolute: number;
  readonly relative: number;
}

// A type, not an interface: it is a program's record of inputs.

export type AdaptiveStepInputs = OdeStepInputs & {
  /** The field at the step's start. */
  readonly f: Tensor;
};

// eslint-disable-next-line @typescript-eslint/consistent-type-definitions
export type AdaptiveStepResult = {
  readonly x: Tensor;
  /** The field at the step's end. */
  readonly f: Tensor;
  /** The state in the middle of the step. */
  readonly middle: Tensor;
  /** `[batch]`: mean square over a sample of its error in units of what is tolerated. */
  readonly error: Tensor;
};

/** A step, whether it will be accepted or not. Six evaluations. */
export function dopri5Step(
  field: VectorField,
  inputs: AdaptiveStepInputs,
  { absolute, relative }: Tolerances,
): AdaptiveStepResult {
  return tf.tidy(() => {
    const { x, dt, f } = inputs;
    const slopes = stageSlopes(field, inputs, tableau, f);
    const next = along(x, dt, weights, slopes);
    const error = tf.mul(along(tf.zerosLike(x), tf.onesLike(dt), errorWeights, slopes), perSample(dt, x));
    const tolerated = tf.add(tf.mul(tf.maximum(tf.abs(x), tf.abs(next)), relative), absolute);
    return {
      x: next,
      f: slopes.at(-1)!,
      middle: along(x, dt, middle, slopes),
      error: tf.mean(tf.square(tf.div(error, tolerated)), axesOfSample(x)),
    };
  });
}

/** Every axis but the first. */
function axesOfSample(x: Tensor): number[] {
  return x.shape.slice(1).map((_, axis) => axis + 1);
}
