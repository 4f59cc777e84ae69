import { peakMemoryBytes } from '../../tensorflow/index.js';

/** What a step costs, where it is known. */
export interface StepCost {
  /** Samples of a step, over all workers. */
  readonly samples: number;
  /** Floating-point operations of this process's part of a step. */
  readonly operations?: number | undefined;
}

/** How fast steps are taken, between two records. */
export class Speed {
  private startedMs = performance.now();

  constructor(
    private readonly cost: StepCost,
    /** Floating-point operations a second of bare matrix products here. */
    private readonly peak: number | undefined,
  ) {}

  /** Figures of the steps since this was last asked, or since the start. */
  take(steps: number): Record<string, number> {
    const now = performance.now();
    const seconds = (now - this.startedMs) / 1000;
    this.startedMs = now;
    const { samples, operations } = this.cost;
    return {
      imagesPerSecond: (samples * steps) / seconds,
      secondsPerStep: seconds / steps,
      ...(this.peak !== undefined &&
        operations !== undefined && { matmulPeakShare: (operations * steps) / seconds / this.peak }),
      peakMemoryMiB: peakMemoryBytes() / 2 ** 20,
    };
  }
}
