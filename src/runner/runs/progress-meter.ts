import type { StageProgress } from '../stage.js';

/** Speed of a stage and the time it will take, as far as that can be told yet. */
export interface Pace {
  /** Units a second. */
  readonly rate?: number;
  readonly secondsLeft?: number;
}

const windowSeconds = 30;
const shortestSeconds = 0.5;

/**
 * Measures the pace of a stage from its progress in this session only: what an earlier session did, which shows in the
 * first progress told, counts neither as done nor as fast. The rate is that of the last half minute.
 */
export class ProgressMeter {
  private readonly samples: { readonly at: number; readonly done: number }[] = [];
  private latest: StageProgress | undefined;

  /** @param at seconds, on any clock that does not jump */
  add(progress: StageProgress, at: number): void {
    // A stage that starts to count something else is a new thing to measure.
    if (this.latest !== undefined && (progress.unit !== this.latest.unit || progress.done < this.latest.done))
      this.samples.length = 0;
    this.latest = progress;
    this.samples.push({ at, done: progress.done });
    while (this.samples.length > 2 && this.samples[1]!.at < at - windowSeconds) this.samples.shift();
  }

  get last(): StageProgress | undefined {
    return this.latest;
  }

  get pace(): Pace {
    const first = this.samples[0];
    const last = this.samples.at(-1);
    if (first === undefined || last === undefined || this.latest === undefined) return {};
    const seconds = last.at - first.at;
    if (seconds < shortestSeconds || last.done === first.done) return {};
    const rate = (last.done - first.done) / seconds;
    return { rate, secondsLeft: (this.latest.total - this.latest.done) / rate };
  }
}
