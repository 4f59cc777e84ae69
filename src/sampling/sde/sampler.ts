import type { Tensor } from '../../tensorflow/index.js';
import {
  type SdeMethod,
  type SdeSampler,
  type Transport,
  type VectorField,
  diffusionCoefficient,
  scoreField,
  sdeDrift,
  velocityField,
} from '../../transport/index.js';
import { eulerMaruyama } from './euler-maruyama.js';
import { stochasticHeun } from './heun.js';
import { lastSteps } from './last-step.js';
import type { SdeStep, SdeStepInputs, SdeStepResult } from './sde.js';

/** Every integrator of stochastic differential equations by name. */
export const sdeMethods: Readonly<Record<SdeMethod, SdeStep>> = { eulerMaruyama, heun: stochasticHeun };

export type LastStepInputs = Omit<SdeStepInputs, 'noise'>;

/** The two programs that a path of the SDE consists of, for one model: pure functions of tensors. */
export interface SdePrograms {
  readonly step: (inputs: SdeStepInputs) => SdeStepResult;
  /** Nothing where the last step is `none`. */
  readonly lastStep: ((inputs: LastStepInputs) => { x: Tensor }) | undefined;
}

/**
 * The SDE of a transport and a model with a choice of integrator, diffusion and last step.
 *
 * Times go over `uniformTimes(timeInterval(…), steps)`, and the last step covers `lastStepSize(sampler)`.
 */
export function sdeSampler(
  transport: Transport,
  sampler: Omit<SdeSampler, 'kind' | 'lastStepSize'> & { readonly diffusionNorm?: number },
  model: VectorField,
): SdePrograms {
  const diffusion = diffusionCoefficient(transport.interpolant, sampler.diffusion, sampler.diffusionNorm);
  const drift = sdeDrift(transport, model, diffusion);
  const fields = {
    transport,
    drift,
    velocity: velocityField(transport, model),
    score: scoreField(transport, model),
  };
  const last = lastSteps[sampler.lastStep];
  return {
    step: (inputs) => sdeMethods[sampler.method]({ drift, diffusion }, inputs),
    lastStep: last && (({ x, t, dt }) => ({ x: last(fields, x, t, dt) })),
  };
}
