import { rungeKutta } from './runge-kutta.js';

/** The midpoint method: order 2, two evaluations a step. torchdiffeq's `midpoint`. */
export const midpoint = rungeKutta(2, { nodes: [1 / 2], stages: [[1 / 2]], weights: [0, 1] });
