import { float32, type HostTensor, type Tensor, tf } from '../tensorflow/index.js';
import { putRows, takeRows } from './integrate.js';

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

/** Computed features of a sample. */
export interface ComputedSteps {
  /** The last step that was computed. */
  readonly last: number;
  /** Computations so far. */
  readonly computed: number;
}

/**
 * True when a step's features are computed rather than predicted.
 *
 * @param known nothing where none were computed before
 * @param lastStep the step from which on everything is computed
 */
export function isComputed(
  { interval, firstSteps }: FeatureCache,
  known: ComputedSteps | undefined,
  step: number,
  lastStep: number,
): boolean {
  if (known === undefined || known.computed < firstSteps || step >= lastStep) return true;
  return step - known.last >= interval;
}

/** Adds another computed step to those known. */
export function withStep(known: ComputedSteps | undefined, step: number): ComputedSteps {
  return { last: step, computed: (known?.computed ?? 0) + 1 };
}

/** Features that one model computed of a batch's samples along their path. */
export class CachedFeatures {
  private readonly known = new Map<number, ComputedSteps>();
  private differences = new Float32Array(0);
  private shape: readonly number[] = [];
  private guided: boolean | undefined;

  /** @param lastStep the last step, which is always computed */
  constructor(
    private readonly cache: FeatureCache,
    private readonly samples: number,
    private readonly lastStep: number,
  ) {}

  /** Begins anew for all samples where what is kept has another shape: guidance computes two features a sample. */
  begin(featureShape: readonly number[], guided: boolean): void {
    if (this.guided === guided) return;
    this.guided = guided;
    this.known.clear();
    this.shape = [this.cache.order + 1, ...featureShape];
    const size = this.shape.reduce((product, extent) => product * extent, 1);
    this.differences = new Float32Array(this.samples * size);
  }

  /** Divides samples into those to compute in a step and those to predict. */
  divide(rows: readonly number[], step: number): { computed: number[]; predicted: number[] } {
    const mustCompute = (row: number): boolean =>
      isComputed(this.cache, this.known.get(row), step, this.lastStep);
    return {
      computed: rows.filter(mustCompute),
      predicted: rows.filter((row) => !mustCompute(row)),
    };
  }

  /** Inputs that a computation takes from earlier ones. */
  before(rows: readonly number[], step: number): Record<'differences' | 'perGap', HostTensor> {
    const { order } = this.cache;
    const perGap = rows.flatMap((row) => {
      const known = this.known.get(row);
      return Array.from({ length: order }, (_, i) =>
        known !== undefined && i < known.computed ? 1 / (step - known.last) : 0,
      );
    });
    return {
      differences: takeRows(this.tensor(), rows),
      perGap: float32([rows.length, order], Float32Array.from(perGap)),
    };
  }

  /** Keeps what a computation gave. */
  keep(rows: readonly number[], step: number, differences: HostTensor): void {
    putRows(differences, rows, this.differences);
    for (const row of rows) this.known.set(row, withStep(this.known.get(row), step));
  }

  /** Inputs of a prediction. */
  series(rows: readonly number[], step: number): Record<'differences' | 'factors', HostTensor> {
    const { order } = this.cache;
    const factors = rows.flatMap((row) => {
      const { last, computed } = this.known.get(row)!;
      return taylorFactors(step - last, order, computed);
    });
    return {
      differences: takeRows(this.tensor(), rows),
      factors: float32([rows.length, order + 1], Float32Array.from(factors)),
    };
  }

  private tensor(): HostTensor {
    return float32([this.samples, ...this.shape], this.differences);
  }
}
