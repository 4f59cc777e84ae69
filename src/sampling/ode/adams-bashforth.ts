import { type Tensor, tf } from '../../tensorflow/index.js';
import type { VectorField } from '../../transport/index.js';

// A type, not an interface: it is a program's record of inputs.
// eslint-disable-next-line @typescript-eslint/consistent-type-definitions
export type MultistepInputs = {
  /** `[batch, …]` */
  readonly x: Tensor;
  /** `[batch]` */
  readonly t: Tensor;
  /** The field at earlier steps, latest first: `[batch, steps, …]`; steps may be 0. */
  readonly history: Tensor;
  /** From `multistepWeights`, for each sample: `[batch, steps + 1]`. */
  readonly weights: Tensor;
};

/**
 * Adams–Bashforth: the integral of the polynomial through the field here and at earlier steps. As many steps as are
 * used are its order; one evaluation a step.
 *
 * Source: Hairer, Nørsett and Wanner, III.1 and (unequal steps) III.5.
 */
export function adamsBashforthStep(
  field: VectorField,
  { x, t, history, weights }: MultistepInputs,
): { x: Tensor; f: Tensor } {
  return tf.tidy(() => {
    const f = field(x, t);
    const here = f.expandDims(1);
    const slopes = history.shape[1] === 0 ? here : tf.concat([here, history], 1);
    const shape = [...weights.shape, ...x.shape.slice(1).map(() => 1)];
    return { x: tf.add(x, tf.sum(tf.mul(slopes, weights.reshape(shape)), 1)), f };
  });
}

/**
 * By how much the field at each of `times` (this step's start first, then earlier ones) counts in the step to `next`:
 * ∫ of each one's Lagrange polynomial. Equal steps of size h give h·[3/2, -1/2] for two, and so on.
 */
export function multistepWeights(times: readonly number[], next: number): number[] {
  const [start = 0] = times;
  const step = next - start;
  const nodes = times.map((time) => (time - start) / step);
  return nodes.map((node, i) => {
    let polynomial = [1];
    for (const [j, other] of nodes.entries())
      if (j !== i) polynomial = timesLinear(polynomial, -other / (node - other), 1 / (node - other));
    return step * polynomial.reduce((sum, coefficient, power) => sum + coefficient / (power + 1), 0);
  });
}

/** The product of a polynomial (coefficients by ascending power) with constant + slope·u. */
function timesLinear(polynomial: readonly number[], constant: number, slope: number): number[] {
  return Array.from(
    { length: polynomial.length + 1 },
    (_, power) => constant * (polynomial[power] ?? 0) + slope * (polynomial[power - 1] ?? 0),
  );
}
