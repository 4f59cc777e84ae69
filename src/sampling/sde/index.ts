export type { Sde, SdeStep, SdeStepInputs, SdeStepResult } from './sde.js';
export { eulerMaruyama } from './euler-maruyama.js';
export { stochasticHeun } from './heun.js';
export { type LastStepFields, lastSteps } from './last-step.js';
export { type LastStepInputs, type SdePrograms, sdeMethods, sdeSampler } from './sampler.js';
