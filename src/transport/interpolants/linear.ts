import { timeFunction } from '../time-function.js';
import type { Interpolant } from './interpolant.js';

/** The straight line: α = t, σ = 1 - t. Source: Lipman et al., "Flow matching" (2022). */
export const linear: Interpolant = {
  name: 'linear',
  alpha: timeFunction((t) => t),
  dAlpha: timeFunction(() => 1),
  sigma: timeFunction((t, { sub }) => sub(1, t)),
  dSigma: timeFunction(() => -1),
  wronskian: timeFunction(() => 1),
};
