import type { SamplerChoice, TransportChoice } from './names.js';
import { divisionByZero } from './division-by-zero.js';

/** From where to where a path is followed: start < end, both in [0, 1]. */
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
  if (prediction !== 'velocity') return [epsilon, end];
  if (sde === undefined) return [0, 1];
  return [sde.diffusion === 'sbdm' ? epsilon : 0, end];
}

/** The time that a sampler's last step covers: 0 where it has none. */
export function lastStepSize(sampler: SamplerChoice): number {
  return sampler.kind === 'ode' || sampler.lastStep === 'none' ? 0 : sampler.lastStepSize;
}

/** What training keeps away from the ends of time, unless told otherwise. */
export function defaultTrainEpsilon({ interpolant, prediction }: TransportChoice): number {
  if (interpolant === 'vp') return 1e-5;
  return prediction === 'velocity' ? 0 : 1e-3;
}

/**
 * What sampling keeps away from the ends of time, unless told otherwise: nothing where a velocity is followed on a
 * path that is regular everywhere and `sampler` divides by nothing that vanishes.
 */
export function defaultSampleEpsilon(transport: TransportChoice, sampler?: SamplerChoice): number {
  if (transport.interpolant === 'vp' || transport.prediction !== 'velocity') return 1e-3;
  if (sampler === undefined) return 0;
  return divisionByZero(transport, sampler, timeInterval(transport, 0, sampler)) === undefined ? 0 : 1e-3;
}
