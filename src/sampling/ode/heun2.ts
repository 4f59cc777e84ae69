import { rungeKutta } from './runge-kutta.js';

/**
 * Heun's method, the trapezoidal rule with a predictor: order 2, two evaluations a step. torchdiffeq's `heun2`.
 * The second evaluation is at the step's end.
 */
export const heun2 = rungeKutta(2, { nodes: [1], stages: [[1]], weights: [1 / 2, 1 / 2] });
