import { type HostTensor, float32 } from '../../tensorflow/index.js';
import { putRows, takeRows } from '../rows.js';
import { type ComputedSteps, isComputed, withStep } from './computed-steps.js';
import { type FeatureCache, taylorFactors } from './taylor.js';

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

  /** Which of the samples are to be computed in a step, and which can be predicted. */
  divide(rows: readonly number[], step: number): { computed: number[]; predicted: number[] } {
    const mustCompute = (row: number): boolean =>
      isComputed(this.cache, this.known.get(row), step, this.lastStep);
    return {
      computed: rows.filter(mustCompute),
      predicted: rows.filter((row) => !mustCompute(row)),
    };
  }

  /** What a computation takes of earlier ones. */
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

  /** What a prediction is made of. */
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
