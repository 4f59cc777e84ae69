/** Paths between noise and data: interpolants, what networks say about them, losses, intervals of time. */
export * from './names.js';
export { type Time, type TimeFunction, over, timeFunction } from './time-function.js';
export { type Interpolant, interpolants } from './interpolants/index.js';
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
export { diffusionCoefficient } from './diffusion.js';
export {
  type TimeInterval,
  defaultSampleEpsilon,
  defaultTrainEpsilon,
  lastStepSize,
  timeInterval,
} from './interval.js';
export { type TransportOptions, unsupportedCombination } from './unsupported-combination.js';
export { type TimestepSampling, drawsOf, resolutionShift, shiftTime, timesteps } from './timesteps.js';
export {
  type Transport,
  type VectorField,
  scoreField,
  sdeDrift,
  transportOf,
  velocityField,
} from './transport.js';
export { type LossWeighting, type MinSnrWeight, errorWeight } from './loss-weight.js';
export { type TrainingPoint, interpolate, trainingLoss, velocityTarget } from './loss.js';
