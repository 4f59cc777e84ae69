import type { Interpolant } from './interpolants/index.js';
import type { DiffusionForm } from './names.js';
import { type TimeFunction, timeFunction } from './time-function.js';

/**
 * The diffusion coefficient w(t) of the SDE dx = (v + w·score) dt + √(2w) dW, which has the path's marginals
 * whatever w is. `norm` scales it.
 *
 * `sbdm` is the coefficient of score-based diffusion models, σW/α: it divides by zero at t = 0 for the linear and gvp
 * interpolants.
 *
 * Source: SiT, section 2.4 and table 7.
 */
export function diffusionCoefficient(interpolant: Interpolant, form: DiffusionForm, norm = 1): TimeFunction {
  switch (form) {
    case 'constant':
      return timeFunction(() => norm);
    case 'sbdm':
      return sbdm(interpolant, norm);
    case 'sigma':
      return timeFunction((t, { at, mul }) => mul(at(interpolant.sigma, t), norm));
    case 'linear':
      return timeFunction((t, { sub, mul }) => mul(sub(1, t), norm));
    case 'decreasing':
      return timeFunction((t, { cos, mul, add }) => {
        const root = add(mul(cos(mul(t, Math.PI)), norm), 1);
        return mul(mul(root, root), 0.25);
      });
    case 'increasingDecreasing':
      return timeFunction((t, { sin, mul }) => {
        const root = sin(mul(t, Math.PI));
        return mul(mul(root, root), norm);
      });
  }
}

function sbdm({ alpha, sigma, wronskian }: Interpolant, norm: number): TimeFunction {
  return timeFunction((t, { at, mul, div }) =>
    mul(div(mul(at(sigma, t), at(wronskian, t)), at(alpha, t)), norm),
  );
}
