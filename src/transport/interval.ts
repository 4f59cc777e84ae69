import { stepFacts } from './integrators.js';
import type { LossWeight, Prediction, SamplerChoice, TransportChoice } from './names.js';

/** Start and end of the times over which a path is followed: start < end, both in [0, 1]. */
export type TimeInterval = readonly [start: number, end: number];

/**
 * The times that are trained on, or followed by a sampler, keeping `epsilon` away from ends where something is
 * divided by zero. An SDE with a last step stops that much before the data.
 *
 * Source: SiT's `check_interval`.
 */
export function timeInterval(
  { interpolant, prediction }: TransportChoice,
  epsilon: number,
  sampler?: SamplerChoice,
): TimeInterval {
  const sde = sampler?.kind === 'sde' ? sampler : undefined;
  const end = 1 - (sde !== undefined && lastStepSize(sde) > 0 ? lastStepSize(sde) : epsilon);
  if (interpolant === 'vp') return [0, end];
  if (dividesByAlpha(prediction)) return [epsilon, end];
  if (sde === undefined) return [0, 1];
  return [sde.diffusion === 'sbdm' ? epsilon : 0, end];
}

/** True where times keep a margin from their ends, so that a choice of its size changes something. */
export function hasMargin(transport: TransportChoice, sampler?: SamplerChoice): boolean {
  const [wide, narrow] = [0, 0.1].map((epsilon) => timeInterval(transport, epsilon, sampler).join());
  return wide !== narrow;
}

/** True of what gives a velocity only where there is some of the data, and a weight of its error too. */
const dividesByAlpha = (prediction: Prediction): boolean => prediction === 'score' || prediction === 'noise';

/** The time that a sampler's last step covers: 0 where it has none. */
export function lastStepSize(sampler: SamplerChoice): number {
  return sampler.kind === 'ode' || sampler.lastStep === 'none' ? 0 : sampler.lastStepSize;
}

/** Default margin between training times and the ends of time. */
export function defaultTrainEpsilon({ interpolant, prediction }: TransportChoice): number {
  if (interpolant === 'vp') return 1e-5;
  return dividesByAlpha(prediction) ? 1e-3 : 0;
}

/**
 * Default margin between sampling times and the ends of time: 0 where a velocity is followed on a path that is regular
 * everywhere and `sampler` divides by nothing that vanishes.
 */
export function defaultSampleEpsilon(transport: TransportChoice, sampler?: SamplerChoice): number {
  if (transport.interpolant === 'vp' || dividesByAlpha(transport.prediction)) return 1e-3;
  if (sampler === undefined) return 0;
  return divisionByZero(transport, sampler, timeInterval(transport, 0, sampler)) === undefined ? 0 : 1e-3;
}

/** Fields of a path that are evaluated. */
interface Needs {
  readonly velocity: boolean;
  readonly score: boolean;
}

const nothing: Needs = { velocity: false, score: false };
const both: Needs = { velocity: true, score: true };

/**
 * Explains why a sampler over the given interval would divide by zero; undefined where it does not. α vanishes at t = 0
 * (linear, gvp) and σ at t = 1 (all).
 */
function divisionByZero(
  transport: TransportChoice,
  sampler: SamplerChoice,
  [start, end]: readonly [number, number],
): string | undefined {
  if (start <= 0) {
    const reason = atStart(transport, sampler);
    if (reason !== undefined) return `${reason} divides by alpha, which is 0 at t = 0`;
  }
  if (end >= 1) {
    const reason = atEnd(transport, sampler);
    if (reason !== undefined) return `${reason} divides by sigma, which is 0 at t = 1`;
  }
  return undefined;
}

function atStart({ interpolant, prediction }: TransportChoice, sampler: SamplerChoice): string | undefined {
  if (interpolant === 'vp') return undefined;
  if (dividesByAlpha(prediction)) return `the velocity of the prediction "${prediction}"`;
  return sampler.kind === 'sde' && sampler.diffusion === 'sbdm' ? 'the diffusion "sbdm"' : undefined;
}

function atEnd({ interpolant, prediction }: TransportChoice, sampler: SamplerChoice): string | undefined {
  const needs = neededAtEnd(sampler);
  const by =
    sampler.kind === 'ode' || stepFacts(sampler).reachesEnd
      ? sampler.method
      : `lastStep "${sampler.lastStep}"`;
  if (needs.score && prediction !== 'score') return `the score that ${by} needs`;
  if (needs.velocity && prediction !== 'velocity' && interpolant === 'vp')
    return `the velocity that ${by} needs`;
  return undefined;
}

function neededAtEnd(sampler: SamplerChoice): Needs {
  const { reachesEnd } = stepFacts(sampler);
  if (sampler.kind === 'ode') return { velocity: reachesEnd, score: false };
  if (reachesEnd) return both;
  switch (sampler.lastStep) {
    case 'mean':
      return both;
    case 'tweedie':
      return { velocity: false, score: true };
    case 'euler':
      return { velocity: true, score: false };
    case 'none':
      return nothing;
  }
}

/** Options that may not go together. */
export interface TransportOptions extends TransportChoice {
  readonly lossWeight?: LossWeight;
  readonly trainEpsilon?: number;
  readonly sampleEpsilon?: number;
  readonly sampler?: SamplerChoice;
}

/** Explains why options cannot work together, as the end of a sentence; undefined where they can. */
export function unsupportedCombination(options: TransportOptions): string | undefined {
  return unsupportedTraining(options) ?? unsupportedSampling(options);
}

function unsupportedTraining(options: TransportOptions): string | undefined {
  const { interpolant, prediction, lossWeight = 'none' } = options;
  const epsilon = options.trainEpsilon ?? defaultTrainEpsilon(options);
  const ofVp = prediction === 'velocity' || (prediction === 'data' && lossWeight !== 'none');
  const divides = dividesByAlpha(prediction) ? lossWeight !== 'none' : ofVp && interpolant === 'vp';
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
