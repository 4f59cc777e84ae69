import { type Arithmetic, timeFunction } from '../time-function.js';
import type { Interpolant } from './interpolant.js';

const betaMin = 0.1;
const betaMax = 20;

/**
 * The variance-preserving diffusion with linear β from 20 (noise) to 0.1 (data):
 * log α = -(1-t)²(β_max - β_min)/4 - (1-t)β_min/2, σ = √(1 - α²).
 *
 * Source: Song et al., "Score-based generative modeling through SDEs" (2021), equation 33, with time reversed.
 */
export const vp: Interpolant = {
  name: 'vp',
  alpha: timeFunction((t, math) => math.exp(logAlpha(t, math))),
  dAlpha: timeFunction((t, math) => math.mul(math.exp(logAlpha(t, math)), halfBeta(t, math))),
  sigma: timeFunction(sigma),
  dSigma: timeFunction((t, math) => {
    const { mul, div, exp } = math;
    const alphaSquared = exp(mul(logAlpha(t, math), 2));
    return div(mul(mul(alphaSquared, halfBeta(t, math)), -1), sigma(t, math));
  }),
  wronskian: timeFunction((t, math) => {
    const { mul, div, exp } = math;
    return div(mul(exp(logAlpha(t, math)), halfBeta(t, math)), sigma(t, math));
  }),
};

function logAlpha<T>(t: T, { add, sub, mul }: Arithmetic<T>): T {
  const left = sub(1, t);
  return mul(mul(left, add(mul(left, (betaMax - betaMin) / 4), betaMin / 2)), -1);
}

/** The derivative of log α, which is β/2. */
function halfBeta<T>(t: T, { add, sub, mul }: Arithmetic<T>): T {
  return add(mul(sub(1, t), (betaMax - betaMin) / 2), betaMin / 2);
}

/** √(1 - α²), exact also near t = 1, where α² is nearly 1. */
function sigma<T>(t: T, math: Arithmetic<T>): T {
  return math.sqrt(math.mul(math.expm1(math.mul(logAlpha(t, math), 2)), -1));
}
