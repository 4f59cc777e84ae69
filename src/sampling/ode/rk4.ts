import { rungeKutta } from './runge-kutta.js';

/**
 * Kutta's 3/8 rule: order 4, four evaluations a step. torchdiffeq's `rk4`, which is this and not the classical one.
 *
 * Source: Kutta, "Beitrag zur näherungsweisen Integration" (1901).
 */
export const rk4 = rungeKutta(4, {
  nodes: [1 / 3, 2 / 3, 1],
  stages: [[1 / 3], [-1 / 3, 1], [1, -1, 1]],
  weights: [1 / 8, 3 / 8, 3 / 8, 1 / 8],
});
