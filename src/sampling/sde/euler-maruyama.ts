import { tf } from '../../tensorflow/index.js';
import { type SdeStep, diffusionStep } from './sde.js';

/**
 * Euler–Maruyama: one evaluation a step; weak order 1; strong order 1, as noise is additive (½ in general). Itô.
 *
 * Source: Kloeden and Platen, "Numerical solution of stochastic differential equations" (1992), 9.1.
 */
export const eulerMaruyama: SdeStep = (sde, inputs) =>
  tf.tidy(() => {
    const { x, t, dt } = inputs;
    const mean = tf.add(x, tf.mul(sde.drift(x, t), dt));
    return { x: tf.add(mean, diffusionStep(sde, inputs)), mean };
  });
