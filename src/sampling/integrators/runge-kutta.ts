import { type Tensor, tf } from '../../tensorflow/index.js';
import {
  type AdaptiveIntegrator,
  type OdeIntegrator,
  odeIntegrators,
  type OneStepMethod,
  type Tableau,
  type VectorField,
} from '../../transport/index.js';

// A type, not an interface: it is a program's record of inputs.
// eslint-disable-next-line @typescript-eslint/consistent-type-definitions
export type OdeStepInputs = {
  /** `[batch, …]` */
  readonly x: Tensor;
  /** `[batch]` */
  readonly t: Tensor;
  /** A scalar, or `[batch]`; negative where the path is followed back. */
  readonly dt: Tensor;
};

// eslint-disable-next-line @typescript-eslint/consistent-type-definitions
export type OdeStepResult = {
  readonly x: Tensor;
  /** The field at the step's start. */
  readonly f: Tensor;
};

/** One step of an integrator of dx/dt = field(x, t): a pure function of tensors. */
export type OdeStep = (field: VectorField, inputs: OdeStepInputs) => OdeStepResult;

/** A method of fixed steps. */
export interface FixedStepMethod {
  /** The error over a given time falls as the step size to this power. */
  readonly order: number;
  /** Evaluations of the field in a step. */
  readonly evaluations: number;
  readonly step: OdeStep;
}

function rungeKutta(order: number, tableau: Tableau): FixedStepMethod {
  return {
    order,
    evaluations: tableau.weights.length,
    step: (field, inputs) =>
      tf.tidy(() => {
        const slopes = stageSlopes(field, inputs, tableau);
        return { x: along(inputs.x, inputs.dt, tableau.weights, slopes), f: slopes[0]! };
      }),
  };
}

/** The field at every stage of a step; `first` where it is known at the start. */
function stageSlopes(
  field: VectorField,
  { x, t, dt }: OdeStepInputs,
  { nodes, stages }: Tableau,
  first: Tensor = field(x, t),
): Tensor[] {
  const slopes = [first];
  for (const [i, node] of nodes.entries())
    slopes.push(field(along(x, dt, stages[i]!, slopes), tf.add(t, tf.mul(dt, node))));
  return slopes;
}

/** x + dt·Σ weightᵢ·slopeᵢ */
function along(x: Tensor, dt: Tensor, weights: readonly number[], slopes: readonly Tensor[]): Tensor {
  const terms = weights.flatMap((weight, i) => (weight === 0 ? [] : [tf.mul(slopes[i]!, weight)]));
  return tf.add(x, tf.mul(tf.addN(terms), perSample(dt, x)));
}

/** A number a sample, shaped so that it multiplies samples; a scalar is left alone. */
function perSample(value: Tensor, x: Tensor): Tensor {
  return value.rank === 0 ? value : value.reshape([value.size, ...x.shape.slice(1).map(() => 1)]);
}

/** Every method of fixed steps that needs no history, by name. */
export const fixedStepMethods = Object.fromEntries(
  Object.entries<OdeIntegrator>(odeIntegrators).flatMap(([name, integrator]) =>
    integrator.kind === 'oneStep' ? [[name, rungeKutta(integrator.order, integrator.tableau)]] : [],
  ),
) as Readonly<Record<OneStepMethod, FixedStepMethod>>;

export interface Tolerances {
  readonly absolute: number;
  readonly relative: number;
}

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

/** A step of a method that chooses its own, whether it will be accepted or not: an evaluation for each stage but the first. */
export function adaptiveStep(
  { tableau, embedded, middle }: AdaptiveIntegrator,
  field: VectorField,
  inputs: AdaptiveStepInputs,
  { absolute, relative }: Tolerances,
): AdaptiveStepResult {
  return tf.tidy(() => {
    const { x, dt, f } = inputs;
    const slopes = stageSlopes(field, inputs, tableau, f);
    const next = along(x, dt, tableau.weights, slopes);
    const errorWeights = embedded.map((weight, i) => (tableau.weights[i] ?? 0) - weight);
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
