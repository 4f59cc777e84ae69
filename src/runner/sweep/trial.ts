import { hashJson } from '../fingerprint/origin.js';
import type { Pipeline } from '../pipeline.js';
import { resolvedConfig } from '../resolved.js';
import type { TimedRunEvent } from '../run/events.js';
import type { StageRecord } from '../run/run-file.js';
import { figuresOfStage } from '../runs/figures.js';
import type { Json } from '../stage.js';
import type { TrialFailure, TrialResult } from './events.js';
import type { LoadedTrial } from './load.js';

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
function trialId(pipeline: Pipeline): string {
  const { seed, runtime, stages } = resolvedConfig(pipeline);
  return hashJson({ seed, runtime, stages } as Json).slice(0, 10);
}

/** Keys that vary in a sweep, in the order in which they first occur. */
export function sweptKeys(trials: readonly Trial[]): readonly string[] {
  return [...new Set(trials.flatMap(({ values }) => Object.keys(values)))];
}

/** Record of a trial, gathered from the events of its run. */
export class TrialRecord {
  private readonly running = new Set<string>();
  failure: TrialFailure | undefined;
  last: TimedRunEvent['type'] | undefined;
  private run: string | undefined;
  private seconds = 0;
  private pages: readonly string[] = [];
  private readonly metrics: Record<string, number> = {};

  /** The stage that is running, or that failed: the first of several. */
  get current(): string | undefined {
    return [...this.running][0];
  }

  add(event: TimedRunEvent): void {
    this.last = event.type;
    switch (event.type) {
      case 'run-started':
        this.run = event.directory;
        break;
      case 'stage-started':
      case 'stage-waiting':
        this.running.add(event.stage);
        break;
      case 'stage-cached':
      case 'stage-finished':
        this.running.delete(event.stage);
        this.seconds += event.totalSeconds;
        Object.assign(this.metrics, metricsOf(event.stage, event));
        break;
      case 'stage-failed':
        this.failure = { ...event.failure, stage: event.stage, log: event.log };
        break;
      case 'run-finished':
        this.pages = event.pages;
        break;
    }
  }

  get facts(): Pick<TrialResult, 'metrics' | 'seconds' | 'run' | 'pages'> {
    return {
      metrics: this.metrics,
      seconds: this.seconds,
      pages: this.pages,
      ...(this.run !== undefined && { run: this.run }),
    };
  }
}

/** The numbers of a stage by `stage.name`. */
export function metricsOf(
  stage: string,
  record: Pick<StageRecord, 'summary' | 'figures'>,
): Record<string, number> {
  return Object.fromEntries(
    figuresOfStage(stage, record).map(({ name, value }) => [`${stage}.${name}`, value]),
  );
}

/** Shortest end of each dotted key that no other key has: `mediators` for `stages.train.model.mediators`. */
export function shortNames(keys: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    keys.map((key) => {
      const parts = key.split('.');
      for (let length = 1; length < parts.length; length++) {
        const end = parts.slice(-length).join('.');
        if (keys.filter((other) => other === end || other.endsWith(`.${end}`)).length === 1)
          return [key, end];
      }
      return [key, key];
    }),
  );
}

/** A swept value in few characters. */
export function formatValue(value: Json | undefined): string {
  if (value === undefined) return '';
  if (value === null) return '(removed)';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** Names what tells a trial from the others: `mediators 16, seed 1`. */
export function describeValues(
  values: Readonly<Record<string, Json>>,
  names: ReadonlyMap<string, string>,
): string {
  return Object.entries(values)
    .map(([key, value]) => `${names.get(key) ?? key} ${formatValue(value)}`)
    .join(', ');
}
