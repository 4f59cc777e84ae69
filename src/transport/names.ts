import type { OdeMethod, SdeMethod } from './integrators.js';

/** Paths between noise and data. */
export const interpolantNames = ['linear', 'gvp', 'vp'] as const;
export type InterpolantName = (typeof interpolantNames)[number];

/** Output of a network: the velocity dx/dt, the score ∇ log p, the noise that x holds, or the data. */
export const predictions = ['velocity', 'score', 'noise', 'data'] as const;
export type Prediction = (typeof predictions)[number];

/** Weight of the squared error of a score, of noise or of data over time; a velocity's has none. */
export type LossWeight = 'none' | 'velocity' | 'likelihood';

/** Forms of an SDE's diffusion coefficient over time. */
export type DiffusionForm = 'constant' | 'sbdm' | 'sigma' | 'linear' | 'decreasing' | 'increasingDecreasing';

/** Last step of an SDE's path, from the end of its interval to the data. */
export type LastStep = 'mean' | 'tweedie' | 'euler' | 'none';

export interface SdeSampler {
  readonly kind: 'sde';
  readonly method: SdeMethod;
  readonly diffusion: DiffusionForm;
  readonly lastStep: LastStep;
  /** Time that the last step covers; without effect where there is none. */
  readonly lastStepSize: number;
}

export interface OdeSampler {
  readonly kind: 'ode';
  readonly method: OdeMethod;
}

export type SamplerChoice = SdeSampler | OdeSampler;

/** The path and the network's output, by name. */
export interface TransportChoice {
  readonly interpolant: InterpolantName;
  readonly prediction: Prediction;
}
