import type { OdeMethod, SamplerChoice, SdeSampler, TransportChoice } from './names.js';

/** Which fields of a path are evaluated. */
interface Needs {
  readonly velocity: boolean;
  readonly score: boolean;
}

const nothing: Needs = { velocity: false, score: false };
const both: Needs = { velocity: true, score: true };

/** ODE methods with a stage at the end of their step. */
const reachesEnd: Readonly<Record<OdeMethod, boolean>> = {
  euler: false,
  midpoint: false,
  heun2: true,
  heun3: false,
  rk4: true,
  dopri5: true,
  adamsBashforth: false,
};

/**
 * Why a sampler over the given interval would divide by zero; nothing where it does not.
 * α vanishes at t = 0 (linear, gvp) and σ at t = 1 (all).
 */
export function divisionByZero(
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
  if (prediction !== 'velocity') return `the velocity of the prediction "${prediction}"`;
  return sampler.kind === 'sde' && sampler.diffusion === 'sbdm' ? 'the diffusion "sbdm"' : undefined;
}

function atEnd({ interpolant, prediction }: TransportChoice, sampler: SamplerChoice): string | undefined {
  const needs = neededAtEnd(sampler);
  const by =
    sampler.kind === 'ode' || sampler.method === 'heun'
      ? sampler.method
      : `lastStep "${usedLastStep(sampler)}"`;
  if (needs.score && prediction !== 'score') return `the score that ${by} needs`;
  if (needs.velocity && prediction !== 'velocity' && interpolant === 'vp')
    return `the velocity that ${by} needs`;
  return undefined;
}

function neededAtEnd(sampler: SamplerChoice): Needs {
  if (sampler.kind === 'ode') return { velocity: reachesEnd[sampler.method], score: false };
  if (sampler.method === 'heun') return both;
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

function usedLastStep({ lastStep }: SdeSampler): string {
  return lastStep;
}
