import type { Tensor, Tensors } from '../../tensorflow/index.js';
import { type VectorField, transportOf, velocityField } from '../../transport/index.js';
import { likelihoodField } from '../likelihood.js';
import type { SessionModel } from '../network.js';

/** What an ODE follows: the field that moves its states, made of a model's velocity and what a path takes of samples. */
export type OdeField = (velocity: VectorField, perSample: Tensors) => VectorField;

/** States are samples. */
export const sampleField: OdeField = (velocity) => velocity;

/** States are those of `likelihoodState`; the path takes a `probe` of each sample. */
export const densityField: OdeField = (velocity, { probe }) => likelihoodField(velocity, probe!);

/** The field for what a model puts out. */
export function odeField(
  { transport }: SessionModel,
  toField: OdeField,
  output: VectorField,
  perSample: Tensors,
): VectorField {
  return toField(velocityField(transportOf(transport), output), perSample);
}

/** Names of what a step takes beside samples: the rest of its inputs is of the samples. */
export type OdeInputs = Record<'x' | 't' | 'dt' | 'labels', Tensor>;
