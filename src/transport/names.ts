/** Paths between noise and data. */
export type InterpolantName = 'linear' | 'gvp' | 'vp';

/** What a network puts out: the velocity dx/dt, the score ∇ log p, or the noise that x holds. */
export type Prediction = 'velocity' | 'score' | 'noise';

/** Weight of a score's or noise's squared error over time; a velocity's has none. */
export type LossWeight = 'none' | 'velocity' | 'likelihood';

/** Forms of an SDE's diffusion coefficient over time. */
export type DiffusionForm = 'constant' | 'sbdm' | 'sigma' | 'linear' | 'decreasing' | 'increasingDecreasing';

export type SdeMethod = 'eulerMaruyama' | 'heun';

/** How an SDE's path gets from the end of its interval to the data. */
export type LastStep = 'mean' | 'tweedie' | 'euler' | 'none';

export type OdeMethod = 'euler' | 'midpoint' | 'heun2' | 'heun3' | 'rk4' | 'dopri5' | 'adamsBashforth';

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
