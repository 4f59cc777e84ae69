/** From noise to data: integrators, guidance, step-wise switching of models, likelihoods. */
export { type StepTime, stepInputs, timesOf, uniformTimes } from './times.js';
export { type Advance, type Integration, integrate, stepsOf } from './integrate.js';
export * from './sde/index.js';
export * from './ode/index.js';
export { type Guidance, type LabelledModel, classifierFreeField, guidedField, guides } from './guidance.js';
export { bitsPerDimension, likelihoodField, likelihoodState, logLikelihood } from './likelihood.js';
export {
  type Distance,
  type PhaseOptions,
  type PhaseState,
  advancePhase,
  distancesBetween,
  firstPhase,
  rowsByPhase,
} from './phases.js';
export { type PhaseStep, type PhaseSwitch, type PhasedSteps, phasedSteps } from './phased-steps.js';
export { allRows, putRows, takeRows } from './rows.js';
export { type Network, type SessionModel, networkField, networkWeights } from './network.js';
export { FieldProgram } from './field-program.js';
export * from './paths/index.js';
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
export * from './calibration/index.js';
export {
  type FeatureCache,
  predictedFeature,
  taylorFactors,
  updatedDifferences,
} from './feature-cache/taylor.js';
