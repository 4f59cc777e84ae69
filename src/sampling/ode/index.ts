import type { OdeMethod } from '../../transport/index.js';
import { euler } from './euler.js';
import { heun2 } from './heun2.js';
import { heun3 } from './heun3.js';
import { midpoint } from './midpoint.js';
import { rk4 } from './rk4.js';
import type { FixedStepMethod } from './runge-kutta.js';

export type { FixedStepMethod, OdeStep, OdeStepInputs, OdeStepResult } from './runge-kutta.js';
export { type AdaptiveStepInputs, type AdaptiveStepResult, type Tolerances, dopri5Step } from './dopri5.js';
export { type MultistepInputs, adamsBashforthStep, multistepWeights } from './adams-bashforth.js';
export { type AdaptiveIntegration, type AdaptiveResult, integrateAdaptive } from './integrate-adaptive.js';
export {
  MultistepHistory,
  type MultistepIntegration,
  type MultistepPrograms,
  integrateMultistep,
} from './integrate-multistep.js';

/** Every method of fixed steps that needs no history, by name. */
export const fixedStepMethods: Readonly<
  Record<Exclude<OdeMethod, 'dopri5' | 'adamsBashforth'>, FixedStepMethod>
> = { euler, midpoint, heun2, heun3, rk4 };
