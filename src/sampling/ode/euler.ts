import { rungeKutta } from './runge-kutta.js';

/** Euler's method: order 1, one evaluation a step. torchdiffeq's `euler`. */
export const euler = rungeKutta(1, { nodes: [], stages: [], weights: [1] });
