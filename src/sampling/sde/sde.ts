import { type Tensor, tf } from '../../tensorflow/index.js';
import { type TimeFunction, type VectorField, over } from '../../transport/index.js';

/**
 * dx = drift(x, t) dt + √(2·diffusion(t)) dW. The noise does not depend on the state, so that the equation means the
 * same to Itô and to Stratonovich.
 */
export interface Sde {
  readonly drift: VectorField;
  readonly diffusion: TimeFunction;
}

// A type, not an interface: it is a program's record of inputs.
// eslint-disable-next-line @typescript-eslint/consistent-type-definitions
export type SdeStepInputs = {
  /** `[batch, …]` */
  readonly x: Tensor;
  /** `[batch]` */
  readonly t: Tensor;
  /** A positive scalar. */
  readonly dt: Tensor;
  /** Standard normal numbers, shaped as x. */
  readonly noise: Tensor;
};

// eslint-disable-next-line @typescript-eslint/consistent-type-definitions
export type SdeStepResult = {
  readonly x: Tensor;
  /** The state without what noise the step added last. */
  readonly mean: Tensor;
};

/** One step of an integrator: a pure function of tensors. */
export type SdeStep = (sde: Sde, inputs: SdeStepInputs) => SdeStepResult;

/** √(2·diffusion·dt)·noise */
export function diffusionStep({ diffusion }: Sde, { x, t, dt, noise }: SdeStepInputs): Tensor {
  return tf.tidy(() => {
    const amplitude = tf.sqrt(tf.mul(tf.mul(over(x, t, diffusion), 2), dt));
    return tf.mul(noise, amplitude);
  });
}
