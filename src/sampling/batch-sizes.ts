/** More sizes than this bring nothing: what fills a batch up is then a 64th of a full one. */
const mostChoices = 32;

/** Multiply-accumulates that two cores compute in the 40 ms that tracing a block and compiling it take. */
const tracingABlock = 3e9;

/** Cost of following samples, as far as it decides how many sizes of batches are worth their tracing. */
export interface SamplingWork {
  /** Multiply-accumulates of all samples' paths. */
  readonly multiplyAccumulates: number;
  /** Blocks of all the programs that are traced for a size. */
  readonly blocks: number;
}

/**
 * The sizes that batches are filled up to. Phases leave batches of any size; each size is a trace of its own, and what
 * fills a batch up is computed for nothing. It is a function of the whole work and not of what was met so far, so that
 * a sample's last bits do not depend on interruptions.
 */
export class BatchSizes {
  private readonly quantum: number;

  /** @param most samples that are ever followed together */
  constructor(
    readonly most: number,
    readonly choices: number,
  ) {
    this.quantum = Math.ceil(most / choices);
  }

  /**
   * Sizes that are worth their tracing: with n of them tracing costs n, and filling up about 1/n of the work.
   *
   * @param most samples that are ever followed together
   */
  static worthTracing(most: number, { multiplyAccumulates, blocks }: SamplingWork): BatchSizes {
    const best = Math.sqrt(multiplyAccumulates / (blocks * tracingABlock));
    return new BatchSizes(most, Math.min(mostChoices, Math.max(1, Math.round(best))));
  }

  /** The size that a batch of so many samples is filled up to. */
  filled(samples: number): number {
    if (samples >= this.most) return samples;
    return Math.min(this.most, Math.ceil(samples / this.quantum) * this.quantum);
  }
}
