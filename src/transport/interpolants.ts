import type { InterpolantName } from './names.js';
import { type Arithmetic, type TimeFunction, timeFunction } from './time-function.js';

/**
 * A path from noise x₀ (t = 0) to data x₁ (t = 1): x = α(t)·x₁ + σ(t)·x₀, with α(0) ≈ 0 and σ(1) = 0.
 *
 * Source: Albergo, Boffi and Vanden-Eijnden, "Stochastic interpolants" (2023); Ma et al., "SiT" (2024), table 1.
 */
export interface Interpolant {
  readonly name: InterpolantName;
  /** Share of the data. */
  readonly alpha: TimeFunction;
  /** Derivative of alpha. */
  readonly dAlpha: TimeFunction;
  /** Share of the noise. */
  readonly sigma: TimeFunction;
  /** Derivative of sigma. */
  readonly dSigma: TimeFunction;
  /**
   * α'σ - ασ', the determinant by which (data, noise) follow from (x, velocity): x₀ = (α'x - αv) / W and
   * x₁ = (σv - σ'x) / W. Positive.
   */
  readonly wronskian: TimeFunction;
}

/** The straight line: α = t, σ = 1 - t. Source: Lipman et al., "Flow matching" (2022). */
const linear: Interpolant = {
  name: 'linear',
  alpha: timeFunction((t) => t),
  dAlpha: timeFunction(() => 1),
  sigma: timeFunction((t, { sub }) => sub(1, t)),
  dSigma: timeFunction(() => -1),
  wronskian: timeFunction(() => 1),
};

const quarter = Math.PI / 2;

/** The quarter circle, of constant variance: α = sin(πt/2), σ = cos(πt/2). Source: SiT, "generalized VP". */
const gvp: Interpolant = {
  name: 'gvp',
  alpha: timeFunction((t, { sin, mul }) => sin(mul(t, quarter))),
  dAlpha: timeFunction((t, { cos, mul }) => mul(cos(mul(t, quarter)), quarter)),
  sigma: timeFunction((t, { cos, mul }) => cos(mul(t, quarter))),
  dSigma: timeFunction((t, { sin, mul }) => mul(sin(mul(t, quarter)), -quarter)),
  wronskian: timeFunction(() => quarter),
};

const betaMin = 0.1;
const betaMax = 20;

/**
 * The variance-preserving diffusion with linear β from 20 (noise) to 0.1 (data):
 * log α = -(1-t)²(β_max - β_min)/4 - (1-t)β_min/2, σ = √(1 - α²).
 *
 * Source: Song et al., "Score-based generative modeling through SDEs" (2021), equation 33, with time reversed.
 */
const vp: Interpolant = {
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

/** Every interpolant by name. */
export const interpolants: Readonly<Record<InterpolantName, Interpolant>> = { linear, gvp, vp };
