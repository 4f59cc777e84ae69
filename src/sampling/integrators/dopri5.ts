import { type HostTensor, type Tensor, tf } from '../../tensorflow/index.js';
import { odeIntegrators, type VectorField } from '../../transport/index.js';
import { along, type OdeStepInputs, perSample, stageSlopes } from './runge-kutta.js';

/**
 * Dormand and Prince's pair of orders 5 and 4: seven stages, of which the last is the next step's first. Results are
 * of order 5, the difference to order 4 estimates the error, and a value at the step's middle gives dense output of
 * order 4.
 *
 * Source: Dormand and Prince, "A family of embedded Runge–Kutta formulae" (1980); the formula of order 4 and the middle:
 * Shampine, "Some practical Runge–Kutta formulas" (1986), as in torchdiffeq's `dopri5`.
 */
const { tableau } = odeIntegrators.dopri5;
const weights: readonly number[] = tableau.weights;

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

/** Values of one sample at a step's start, middle and end, and the field at both ends. */
interface StepValues {
  readonly start: HostTensor;
  readonly middle: HostTensor;
  readonly end: HostTensor;
  readonly fStart: HostTensor;
  readonly fEnd: HostTensor;
}

/**
 * Writes sample `row` at the fraction `u` of a step of size `dt` into `out`: the polynomial of degree 4 through the
 * three values, with the field as its slope at both ends.
 *
 * Source: Hairer, Nørsett and Wanner, "Solving ordinary differential equations I" (1993), II.6.
 */
export function interpolateStep(
  { start, middle, end, fStart, fEnd }: StepValues,
  row: number,
  u: number,
  dt: number,
  out: Float32Array,
): void {
  const size = out.length / start.shape[0]!;
  const [valueStart, valueMiddle, valueEnd, slopeStart, slopeEnd] = basis(u);
  for (let i = row * size; i < (row + 1) * size; i++)
    out[i] =
      valueStart * start.data[i]! +
      valueMiddle * middle.data[i]! +
      valueEnd * end.data[i]! +
      dt * (slopeStart * fStart.data[i]! + slopeEnd * fEnd.data[i]!);
}

/** The five polynomials of degree 4 of which each has one of the five conditions 1 and the others 0. */
function basis(u: number): readonly [number, number, number, number, number] {
  const v = 1 - u;
  const w = 2 * u - 1;
  return [
    -v * v * w * (1 + 4 * u),
    16 * u * u * v * v,
    u * u * w * (1 + 4 * v),
    -u * v * v * w,
    -u * u * v * w,
  ];
}
