import { type Tensor, tf } from '../tensorflow/index.js';
import type { VectorField } from '../transport/index.js';

export interface Guidance {
  /** 1 follows the model as it is, more goes further away from the base. */
  readonly scale: number;
  /** Number of guided channels (of the last axis), from the first on; the others follow the model. */
  readonly channels: number | 'all';
  /** The times, both included, at which it guides; always, where left out. */
  readonly interval?: readonly [from: number, to: number];
}

/** A model that also takes the labels `[batch]`. */
export type LabelledModel = (x: Tensor, t: Tensor, labels: Tensor) => Tensor;

/**
 * base + scale·(model - base) on the guided channels. With the model's own unconditional output as the base it is
 * classifier-free guidance, with a weaker model's it is autoguidance.
 *
 * Source: Ho and Salimans, "Classifier-free diffusion guidance" (2022); Kynkäänniemi et al., "Applying guidance in a
 * limited interval" (2024); Karras et al., "Guiding a diffusion model with a bad version of itself" (2024).
 */
export function guidedField(guidance: Guidance, model: VectorField, base: VectorField): VectorField {
  return (x, t) => tf.tidy(() => guide(guidance, model(x, t), base(x, t), t));
}

/**
 * Classifier-free guidance, conditional and unconditional in one call of twice the batch.
 *
 * @param labels int32 `[batch]`
 * @param nullLabels int32 `[batch]`: the class that stands for none
 */
export function classifierFreeField(
  guidance: Guidance,
  model: LabelledModel,
  labels: Tensor,
  nullLabels: Tensor,
): VectorField {
  return (x, t) =>
    tf.tidy(() => {
      const output = model(tf.concat([x, x]), tf.concat([t, t]), tf.concat([labels, nullLabels]));
      const [conditional, unconditional] = tf.split(output, 2) as [Tensor, Tensor];
      return guide(guidance, conditional, unconditional, t);
    });
}

/** True when guidance acts anywhere in a step: where it does not, the unguided model alone will do. */
export function guides({ scale, interval }: Guidance, t: number, dt: number): boolean {
  if (scale === 1) return false;
  if (interval === undefined) return true;
  return Math.min(t, t + dt) <= interval[1] && Math.max(t, t + dt) >= interval[0];
}

function guide({ scale, channels, interval }: Guidance, model: Tensor, base: Tensor, t: Tensor): Tensor {
  const last = model.shape.at(-1)!;
  const guided = channels === 'all' ? last : Math.min(channels, last);
  const begin = model.shape.map(() => 0);
  const head = [...model.shape.slice(0, -1), guided];
  const factor = interval === undefined ? scale : scaleWithin(scale, interval, t, model.rank);
  const from = tf.slice(base, begin, head);
  const moved = tf.add(from, tf.mul(tf.sub(tf.slice(model, begin, head), from), factor));
  if (guided === last) return moved;
  const tail = tf.slice(model, [...begin.slice(1), guided], [...model.shape.slice(0, -1), last - guided]);
  return tf.concat([moved, tail], -1);
}

/** The scale within the interval and 1 outside of it: `[batch, 1, …]`. */
function scaleWithin(scale: number, [from, to]: readonly [number, number], t: Tensor, rank: number): Tensor {
  const inside = tf.logicalAnd(tf.greaterEqual(t, from), tf.lessEqual(t, to));
  const factors = tf.where(inside, tf.fill(t.shape, scale), tf.onesLike(t));
  return factors.reshape([t.size, ...new Array<number>(rank - 1).fill(1)]);
}
