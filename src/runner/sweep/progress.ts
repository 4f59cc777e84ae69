import { ProgressMeter } from '../runs/progress-meter.js';
import type { StageProgress } from '../stage.js';
import type { TrialOutput, TrialResult, WholeProgress } from './trial.js';

interface Output {
  readonly stage: string;
  share: number;
  /** Time that it took, once it is there. */
  seconds?: number;
  expectedSeconds?: number;
  meter?: ProgressMeter;
}

/** Progress of the outputs of all trials; one that several trials share counts once. */
export class SweepProgress {
  private readonly outputs = new Map<string, Output>();

  /** @param trials outputs of each by stage */
  constructor(
    trials: readonly Readonly<Record<string, TrialOutput>>[],
    private readonly parallel = 1,
  ) {
    for (const outputs of trials)
      for (const [stage, { recipe, seconds }] of Object.entries(outputs)) {
        if (!this.outputs.has(recipe)) this.outputs.set(recipe, { stage, share: 0 });
        if (seconds !== undefined) this.finish(recipe, seconds);
      }
  }

  /** Takes in the time that an output is expected to take. */
  expect(recipe: string, seconds: number): void {
    const output = this.outputs.get(recipe);
    if (output) output.expectedSeconds = seconds;
  }

  /** Forgets all others: they are not to be made any more. */
  keepOnly(recipes: ReadonlySet<string>): void {
    for (const recipe of this.outputs.keys()) if (!recipes.has(recipe)) this.outputs.delete(recipe);
  }

  finish(recipe: string, seconds: number): void {
    const output = this.outputs.get(recipe);
    if (output) Object.assign(output, { share: 1, seconds });
  }

  /** Takes in how far an output is. @param now seconds, on any clock that does not jump */
  advance(recipe: string, progress: StageProgress, now: number): void {
    const output = this.outputs.get(recipe);
    if (output === undefined || output.share === 1) return;
    output.meter ??= new ProgressMeter();
    output.meter.add(progress, now);
    // Not 1 before it is there: it is checked and moved then.
    output.share = progress.total > 0 ? Math.min(progress.done / progress.total, 0.999) : 0;
  }

  get whole(): WholeProgress {
    const all = [...this.outputs.values()];
    const known = all.map((output) => this.estimate(output));
    const mean = average(known.filter((seconds) => seconds !== undefined)) ?? 1;
    const weights = known.map((seconds) => seconds ?? mean);
    const sum = weights.reduce((a, b) => a + b, 0);
    const done = all.reduce((total, { share }, i) => total + share * weights[i]!, 0);
    const left = all.map(({ share, meter }, i) => {
      if (share === 1) return 0;
      return meter?.pace.secondsLeft ?? (known[i] === undefined ? NaN : known[i] * (1 - share));
    });
    const secondsLeft = left.reduce((a, b) => a + b, 0) / this.parallel;
    return {
      share: sum > 0 ? done / sum : 1,
      ...(Number.isFinite(secondsLeft) && { secondsLeft }),
    };
  }

  /** Time that an output takes in all: as it took, as the same stage of other trials took, or as earlier records say. */
  private estimate({ stage, seconds, expectedSeconds }: Output): number | undefined {
    if (seconds !== undefined) return seconds;
    const alike = [...this.outputs.values()].flatMap((other) =>
      other.stage === stage && other.seconds !== undefined ? other.seconds : [],
    );
    return average(alike) ?? expectedSeconds;
  }
}

const average = (values: readonly number[]): number | undefined =>
  values.length === 0 ? undefined : values.reduce((a, b) => a + b, 0) / values.length;

/** Time that a sweep's outputs took, each counted once: in all, and of it what all trials share. */
export interface WorkTime {
  readonly seconds: number;
  readonly sharedSeconds: number;
}

/** The time of all outputs that are there; undefined for results of before trials told of them. */
export function workTime(trials: readonly TrialResult[]): WorkTime | undefined {
  const each = trials.map(({ outputs }) => outputs);
  if (each.includes(undefined)) return undefined;
  const all = each as readonly Readonly<Record<string, TrialOutput>>[];
  const times = new Map<string, number>();
  for (const { recipe, seconds = 0 } of all.flatMap((outputs) => Object.values(outputs)))
    times.set(recipe, Math.max(seconds, times.get(recipe) ?? 0));
  const isShared = (recipe: string): boolean =>
    all.every((outputs) => Object.values(outputs).some((output) => output.recipe === recipe));
  const sum = (recipes: readonly string[]): number =>
    recipes.reduce((total, recipe) => total + times.get(recipe)!, 0);
  const recipes = [...times.keys()];
  return { seconds: sum(recipes), sharedSeconds: sum(recipes.filter(isShared)) };
}
