import { type Tensor, tf } from '../../tensorflow/index.js';
import { type LastStep, type Transport, type VectorField, dataFromScore } from '../../transport/index.js';

/** What last steps are made of. */
export interface LastStepFields {
  readonly transport: Transport;
  /** Drift of the SDE. */
  readonly drift: VectorField;
  readonly velocity: VectorField;
  readonly score: VectorField;
}

/**
 * From the end of the SDE's interval to the data, without noise, at x `[batch, …]`, t `[batch]` and step size dt:
 *
 * - `mean`: a step along the SDE's drift;
 * - `euler`: a step along the velocity;
 * - `tweedie`: the expected data given x, whatever dt is;
 * - `none`: no step.
 *
 * Source: SiT, section 2.5 and its sampler.
 */
export const lastSteps: Readonly<
  Record<LastStep, ((fields: LastStepFields, x: Tensor, t: Tensor, dt: Tensor) => Tensor) | undefined>
> = {
  mean: ({ drift }, x, t, dt) => tf.tidy(() => tf.add(x, tf.mul(drift(x, t), dt))),
  euler: ({ velocity }, x, t, dt) => tf.tidy(() => tf.add(x, tf.mul(velocity(x, t), dt))),
  tweedie: ({ transport, score }, x, t) =>
    tf.tidy(() => dataFromScore(transport.interpolant, score(x, t), x, t)),
  none: undefined,
};
