import { resolvedConfig, type LoadedTrial, type Pipeline } from '../../config/index.js';
import { hashJson } from '../fingerprint/canonical-json.js';
import type { Json } from '../stage.js';

/** One point of a sweep. */
export interface Trial {
  /** Ten hexadecimal digits that follow from the trial's whole configuration, and from nothing else. */
  readonly id: string;
  /** The swept values by dotted key; null where the point removes the key. */
  readonly values: Readonly<Record<string, Json>>;
  readonly pipeline: Pipeline;
  /** `--set` options that make the file into this trial. */
  readonly set: readonly string[];
}

/** The trials of a sweep, in its order; points that come to the same configuration are one trial. */
export function trialsOf(loaded: readonly LoadedTrial[]): readonly Trial[] {
  const trials = new Map<string, Trial>();
  for (const { pipeline, values, set } of loaded) {
    const id = trialId(pipeline);
    if (trials.has(id)) continue;
    const plainValues = Array.from(values, ([key, value]) => [key, (value ?? null) as Json]);
    trials.set(id, { id, values: Object.fromEntries(plainValues) as Trial['values'], pipeline, set });
  }
  return [...trials.values()];
}

/** The same wherever the point stands in the sweep, and whatever the pipeline is called. */
export function trialId(pipeline: Pipeline): string {
  const { seed, runtime, stages } = resolvedConfig(pipeline);
  return hashJson({ seed, runtime, stages } as Json).slice(0, 10);
}

/** Keys that vary in a sweep, in the order in which they first occur. */
export function sweptKeys(trials: readonly Trial[]): readonly string[] {
  return [...new Set(trials.flatMap(({ values }) => Object.keys(values)))];
}
