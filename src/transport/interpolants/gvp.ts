import { timeFunction } from '../time-function.js';
import type { Interpolant } from './interpolant.js';

const quarter = Math.PI / 2;

/** The quarter circle, of constant variance: α = sin(πt/2), σ = cos(πt/2). Source: SiT, "generalized VP". */
export const gvp: Interpolant = {
  name: 'gvp',
  alpha: timeFunction((t, { sin, mul }) => sin(mul(t, quarter))),
  dAlpha: timeFunction((t, { cos, mul }) => mul(cos(mul(t, quarter)), quarter)),
  sigma: timeFunction((t, { cos, mul }) => cos(mul(t, quarter))),
  dSigma: timeFunction((t, { sin, mul }) => mul(sin(mul(t, quarter)), -quarter)),
  wronskian: timeFunction(() => quarter),
};
