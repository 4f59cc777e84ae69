import { type Tensor, tf } from '../../tensorflow/index.js';
import {
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
export function stageSlopes(
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
export function along(x: Tensor, dt: Tensor, weights: readonly number[], slopes: readonly Tensor[]): Tensor {
  const terms = weights.flatMap((weight, i) => (weight === 0 ? [] : [tf.mul(slopes[i]!, weight)]));
  return tf.add(x, tf.mul(tf.addN(terms), perSample(dt, x)));
}

/** A number a sample, shaped so that it multiplies samples; a scalar is left alone. */
export function perSample(value: Tensor, x: Tensor): Tensor {
  return value.rank === 0 ? value : value.reshape([value.size, ...x.shape.slice(1).map(() => 1)]);
}

/** Every method of fixed steps that needs no history, by name. */
export const fixedStepMethods = Object.fromEntries(
  Object.entries<OdeIntegrator>(odeIntegrators).flatMap(([name, integrator]) =>
    integrator.kind === 'oneStep' ? [[name, rungeKutta(integrator.order, integrator.tableau)]] : [],
  ),
) as Readonly<Record<OneStepMethod, FixedStepMethod>>;
