/** What a `sample` stage with phases says of its samples' switches, in `switches.json`. */
export interface Switches {
  readonly firstSteps: number;
  readonly distance: string;
  /** For each phase but the last, the part of the mean distance below which it is left. */
  readonly switchRatios: readonly number[];
  readonly steps: number;
  readonly phases: readonly {
    readonly stage: string;
    /** In every block, or block by block; 0 is full attention. */
    readonly mediators: number | readonly number[];
    /** Of one evaluation of the model for one sample. */
    readonly multiplyAccumulates: number;
  }[];
  /** For each sample, for each switch, the step at which it happened, or null where it did not. */
  readonly samples: readonly (readonly (number | null)[])[];
  /** Part of the multiply-accumulates saved over all samples, 0 to 1. */
  readonly savedFraction: number;
}

/** Steps after `from` up to and with `to`, and how many samples made each of the switches there. */
export interface Bin {
  readonly from: number;
  readonly to: number;
  readonly counts: readonly number[];
}

const mostBins = 50;

/** Counts the switches of all samples by step, in bins of equal width. */
export function countSwitches({ steps, phases, samples }: Switches): Bin[] {
  const width = Math.max(1, Math.ceil(steps / mostBins));
  const counts = Array.from({ length: Math.ceil(steps / width) }, () =>
    Array.from({ length: phases.length - 1 }, () => 0),
  );
  for (const switches of samples)
    switches.forEach((step, k) => {
      if (step === null) return;
      const bin = Math.min(counts.length - 1, Math.max(0, Math.floor((step - 1) / width)));
      counts[bin]![k]!++;
    });
  return counts.map((own, i) => ({ from: i * width, to: Math.min(steps, (i + 1) * width), counts: own }));
}

/** Mean number of steps that samples spend in each phase; they sum to all steps. */
export function phaseSteps({ steps, phases, samples }: Switches): number[] {
  const sums = phases.map(() => 0);
  for (const switches of samples) {
    let start = 0;
    for (let phase = 0; phase < phases.length; phase++) {
      const end = phase < phases.length - 1 ? (switches[phase] ?? steps) : steps;
      sums[phase]! += Math.max(0, end - start);
      start = Math.max(start, end);
    }
  }
  return sums.map((sum) => sum / Math.max(1, samples.length));
}
