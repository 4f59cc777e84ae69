/** Sampling from noise to data: integrators, guidance, step-wise switching of models, likelihoods. */
export { type StepTime, stepInputs, timesOf, uniformTimes } from './integrate.js';
export { type Advance, type Integration, integrate, stepsOf } from './integrate.js';
export {
  lastSteps,
  sdeMethods,
  sdeSampler,
  type LastStepFields,
  type LastStepInputs,
  type Sde,
  type SdePrograms,
  type SdeStep,
  type SdeStepInputs,
} from './integrators/sde.js';
export {
  type FixedStepMethod,
  type OdeStep,
  type OdeStepInputs,
  type OdeStepResult,
  type AdaptiveStepInputs,
  type AdaptiveStepResult,
  type Tolerances,
  adaptiveStep,
  fixedStepMethods,
} from './integrators/runge-kutta.js';
export { type MultistepInputs, adamsBashforthStep, multistepWeights } from './integrators/multistep.js';
export { type AdaptiveIntegration, type AdaptiveResult, integrateAdaptive } from './integrators/adaptive.js';
export {
  MultistepHistory,
  type MultistepIntegration,
  type MultistepPrograms,
  integrateMultistep,
} from './integrators/multistep.js';

export { type Guidance, type LabelledModel, classifierFreeField, guidedField, guides } from './guidance.js';
export { bitsPerDimension, likelihoodField, likelihoodState, logLikelihood } from './likelihood.js';
export {
  type Distance,
  type PhaseOptions,
  type PhaseState,
  advancePhase,
  distancesBetween,
  movesOf,
  firstPhase,
  rowsByPhase,
} from './phases.js';
export { type PhaseStep, type PhaseSwitch, type PhasedSteps, phasedSteps } from './phases.js';
export { allRows, putRows, takeRows } from './integrate.js';
export { type Network, type SessionModel, networkField, networkWeights, samplingWeights } from './network.js';
export { FieldProgram } from './network.js';
export { type FollowPath, type PathInputs, type PathResult } from './paths/path.js';
export { pathOf, pathTimes, type PathOptions, timePower, type SamplerSettings } from './paths/choose.js';
export {
  type StepEvaluations,
  largestCost,
  pathStepsOf,
  phasedCost,
  type PredictedSteps,
  predictedSteps,
  stepCosts,
  stepEvaluations,
} from './path-cost.js';
export {
  knee,
  paretoFrontier,
  predictDeviation,
  predictSwitches,
  ratioTuples,
  spreadOverCosts,
  type CostAndDeviation,
  type RecordedPaths,
} from './calibration.js';
export { type FeatureCache, predictedFeature, taylorFactors, updatedDifferences } from './feature-cache.js';
