/** Paths between noise and data: interpolants, what networks say about them, losses, intervals of time. */
export * from './names.js';
export {
  type AdaptiveIntegrator,
  type AdaptiveMethod,
  type OdeIntegrator,
  type OdeMethod,
  type OneStepMethod,
  type MultistepMethod,
  type SdeMethod,
  type SdeStepResult,
  type Tableau,
  integratorNames,
  odeIntegrator,
  odeIntegrators,
  sdeIntegrators,
  stepFacts,
} from './integrators.js';
export { type Time, type TimeFunction, type VectorField, over, timeFunction } from './time-function.js';
export { type Interpolant, interpolants } from './interpolants.js';
export {
  dataFromScore,
  noiseFromScore,
  noiseFromVelocity,
  scoreFromNoise,
  scoreFromVelocity,
  toScore,
  toVelocity,
  velocityFromNoise,
  velocityFromScore,
} from './conversions.js';
export { diffusionCoefficient } from './transport.js';
export {
  type TimeInterval,
  defaultSampleEpsilon,
  defaultTrainEpsilon,
  lastStepSize,
  timeInterval,
} from './interval.js';
export { hasMargin, type TransportOptions, unsupportedCombination } from './interval.js';
export { type TimestepSampling, drawsOf, resolutionShift, shiftTime, timesteps } from './timesteps.js';
export { type Transport, scoreField, sdeDrift, transportOf, velocityField } from './transport.js';
export { type LossWeighting, type MinSnrWeight, errorWeight } from './loss.js';
export {
  type TrainingPoint,
  type WeighedTransport,
  directionLoss,
  distanceLoss,
  interpolate,
  outputLoss,
} from './loss.js';
export { trainingLoss, velocityTarget } from './loss.js';
