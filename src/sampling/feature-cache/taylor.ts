import { type Tensor, tf } from '../../tensorflow/index.js';

/**
 * Taylor-style prediction of what a network's blocks add to its tokens: at some steps it is computed, and between them
 * predicted from finite differences of what was computed before.
 *
 * Source: Liu et al., "From reusing to forecasting: accelerating diffusion models with TaylorSeers" (2025), equations 5
 * and 6, applied to the blocks' sum, so that one tensor a sample is kept instead of two a block.
 */
export interface FeatureCache {
  /** Steps from one computation to the next. 1 computes every step. */
  readonly interval: number;
  /** Derivatives that are used: 0 reuses the last feature as it is. */
  readonly order: number;
  /** Steps that are computed before the first is predicted. */
  readonly firstSteps: number;
}

/** Powers of the Taylor series at `steps` steps from the last computation, as many as are known. */
export function taylorFactors(steps: number, order: number, computed: number): number[] {
  let factor = 1;
  return Array.from({ length: order + 1 }, (_, i) => {
    if (i > 0) factor *= steps / i;
    return i < computed ? factor : 0;
  });
}

/**
 * The feature and its finite differences, lowest first.
 *
 * @param feature just computed, `[batch, …]`
 * @param before differences of the computation before, `[batch, order + 1, …]`
 * @param perGap `[batch, order]`: 1 / (steps since that computation), or 0 where a difference is not known
 */
export function updatedDifferences(feature: Tensor, before: Tensor, perGap: Tensor): Tensor {
  const order = before.shape[1]! - 1;
  const known = tf.unstack(before, 1);
  const gaps = order === 0 ? [] : tf.unstack(perGap, 1);
  const updated = [feature];
  for (let i = 0; i < order; i++)
    updated.push(tf.mul(tf.sub(updated[i]!, known[i]!), column(gaps[i]!, feature)));
  return tf.stack(updated, 1);
}

/** The sum of the series: Σ factorᵢ·differenceᵢ. `factors` is `[batch, order + 1]`. */
export function predictedFeature(differences: Tensor, factors: Tensor): Tensor {
  const shape = [...factors.shape, ...differences.shape.slice(2).map(() => 1)];
  return tf.sum(tf.mul(differences, factors.reshape(shape)), 1);
}

function column(values: Tensor, like: Tensor): Tensor {
  return values.reshape([values.size, ...like.shape.slice(1).map(() => 1)]);
}
