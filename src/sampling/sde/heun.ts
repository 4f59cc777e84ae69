import { tf } from '../../tensorflow/index.js';
import { type SdeStep, diffusionStep } from './sde.js';

/**
 * Stochastic Heun: noise first, then a step of Heun's method along the drift. Two evaluations a step; order 2 in the
 * drift, weak and strong order 1 over all, as the noise enters at the step's start. Additive noise: Itô and
 * Stratonovich agree. Its `mean` is the state with noise but without the drift.
 *
 * Source: Karras et al., "Elucidating the design space" (2022), algorithm 2, as SiT's sampler has it.
 */
export const stochasticHeun: SdeStep = (sde, inputs) =>
  tf.tidy(() => {
    const { x, t, dt } = inputs;
    const noisy = tf.add(x, diffusionStep(sde, inputs));
    const first = sde.drift(noisy, t);
    const second = sde.drift(tf.add(noisy, tf.mul(first, dt)), tf.add(t, dt));
    return { x: tf.add(noisy, tf.mul(tf.add(first, second), tf.div(dt, 2))), mean: noisy };
  });
