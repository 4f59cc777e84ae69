import { rungeKutta } from './runge-kutta.js';

/**
 * Heun's method of order 3, three evaluations a step. torchdiffeq's `heun3`.
 *
 * Source: Heun, "Neue Methoden zur approximativen Integration" (1900).
 */
export const heun3 = rungeKutta(3, {
  nodes: [1 / 3, 2 / 3],
  stages: [[1 / 3], [0, 2 / 3]],
  weights: [1 / 4, 0, 3 / 4],
});
