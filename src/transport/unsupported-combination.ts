import { divisionByZero } from './division-by-zero.js';
import { defaultSampleEpsilon, defaultTrainEpsilon, timeInterval } from './interval.js';
import type { LossWeight, SamplerChoice, TransportChoice } from './names.js';

/** Options that may not go together. */
export interface TransportOptions extends TransportChoice {
  readonly lossWeight?: LossWeight;
  readonly trainEpsilon?: number;
  readonly sampleEpsilon?: number;
  readonly sampler?: SamplerChoice;
}

/** Why options cannot work together, as the end of a sentence; nothing where they can. */
export function unsupportedCombination(options: TransportOptions): string | undefined {
  return unsupportedTraining(options) ?? unsupportedSampling(options);
}

function unsupportedTraining(options: TransportOptions): string | undefined {
  const { interpolant, prediction, lossWeight = 'none' } = options;
  const epsilon = options.trainEpsilon ?? defaultTrainEpsilon(options);
  const divides = prediction === 'velocity' ? interpolant === 'vp' : lossWeight !== 'none';
  if (epsilon > 0 || !divides) return undefined;
  const what =
    prediction === 'velocity' ? `the velocity of the interpolant "vp"` : `lossWeight "${lossWeight}"`;
  const by = interpolant === 'vp' ? 'sigma, which is 0 at t = 1' : 'alpha, which is 0 at t = 0';
  return `${what} divides by ${by}: trainEpsilon must be above 0`;
}

function unsupportedSampling(options: TransportOptions): string | undefined {
  const { sampler } = options;
  if (sampler === undefined) return undefined;
  const epsilon = options.sampleEpsilon ?? defaultSampleEpsilon(options, sampler);
  const interval = timeInterval(options, epsilon, sampler);
  const [start, end] = interval;
  if (start >= end)
    return `sampling would go from t = ${start} to t = ${end}: lastStepSize or sampleEpsilon is too large`;
  const reason = divisionByZero(options, sampler, interval);
  return reason === undefined ? undefined : `${reason}: sampleEpsilon must be above 0`;
}
