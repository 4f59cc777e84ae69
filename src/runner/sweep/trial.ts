import { asText, counted } from '../../base/format.js';
import { hashJson } from '../fingerprint/origin.js';
import type { Pipeline } from '../pipeline.js';
import { resolvedConfig } from '../resolved.js';
import type { Failure, TimedRunEvent } from '../run/events.js';
import type { StageRecord } from '../run/run-record.js';
import { figuresOfStage } from '../runs/figures.js';
import type { Json } from '../stage.js';
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
  private readonly seconds: Record<string, number> = {};
  private pages: readonly string[] = [];
  private readonly metrics: Record<string, number> = {};
  /** Fingerprints of the stages that have begun. */
  readonly fingerprints = new Map<string, string>();

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
        this.fingerprints.set(event.stage, event.fingerprint);
        this.running.add(event.stage);
        break;
      case 'stage-waiting':
        this.running.add(event.stage);
        break;
      case 'stage-cached':
      case 'stage-finished':
        this.fingerprints.set(event.stage, event.fingerprint);
        this.running.delete(event.stage);
        this.seconds[event.stage] = event.totalSeconds;
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

  get facts(): TrialFacts {
    return {
      metrics: this.metrics,
      stageSeconds: this.seconds,
      pages: this.pages,
      ...(this.run !== undefined && { run: this.run }),
    };
  }
}

/** Facts of a trial: what it came to. */
export interface TrialFacts extends Pick<TrialResult, 'metrics' | 'run' | 'pages'> {
  /** Time that the outputs of its stages took, over all sessions, of those that are there. */
  readonly stageSeconds: Readonly<Record<string, number>>;
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

/** A swept value in few characters. */
export function formatValue(value: Json | undefined): string {
  if (value === undefined) return '';
  if (value === null) return '(removed)';
  return asText(value);
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

/** Place of a stopped trial among those that it was compared with. */
export interface StoppedAt {
  readonly stage: string;
  readonly step: number;
  readonly figure: string;
  readonly value: number;
  /** From 1, the best. */
  readonly rank: number;
  readonly of: number;
  /** Fingerprint of what the stage has made so far, from which a later call goes on. Absent in older results. */
  readonly fingerprint?: string;
}

/** Sentence on why a trial was stopped: `stopped after 500 steps of train: loss 0.612 is third of 4`. */
export function stoppedSentence({ stage, step, figure, value, rank, of }: StoppedAt): string {
  return `stopped after ${counted(step, 'step')} of ${stage}: its ${figure} of ${Number(value.toPrecision(4))} was number ${rank} of ${of}`;
}

/** Status of a trial. */
export type TrialStatus =
  | 'waiting'
  | 'running'
  /** Status of a trial of which everything was there. */
  | 'cached'
  | 'finished'
  | 'failed'
  /** Stopped at its time limit; the next call continues it. */
  | 'timed-out'
  /** Stopped with the sweep; the next call continues it. */
  | 'interrupted'
  /** Stopped by halving: others did better. */
  | 'stopped'
  /** Status of a trial that was not started, because a stage that it shares failed in another trial. */
  | 'skipped';

/** Result of a trial: a row of the sweep's table. */
export interface TrialResult {
  readonly trial: string;
  readonly status: TrialStatus;
  readonly values: Readonly<Record<string, Json>>;
  /** Numbers by `stage.name`, of the stages that have finished. */
  readonly metrics: Readonly<Record<string, number>>;
  /** Time that its outputs took, over all sessions; those that all trials share are left out. */
  readonly seconds: number;
  /** Its outputs by stage. Absent in results of before trials told of them. */
  readonly outputs?: Readonly<Record<string, TrialOutput>>;
  /** Absolute path of the folder of its last run; absent where there is none. */
  readonly run?: string;
  /** Absolute paths of pages to look at. */
  readonly pages: readonly string[];
  readonly failure?: TrialFailure;
  /** Place among the others when halving stopped it. */
  readonly stopped?: StoppedAt;
}

/** An output of a trial. */
export interface TrialOutput {
  /** The same in all trials that share it. */
  readonly recipe: string;
  /** Time that it took, over all sessions; absent where it is not there. */
  readonly seconds?: number;
}

export interface TrialFailure extends Failure {
  readonly stage?: string;
  /** Absolute path of the log that says more. */
  readonly log?: string;
}

/** A trial before anything has run. */
export interface TrialOutlook {
  readonly trial: string;
  readonly values: Readonly<Record<string, Json>>;
  /** Stages that are to run; none where all is cached. */
  readonly toRun: readonly string[];
}

export interface SweepCounts {
  readonly finished: number;
  readonly cached: number;
  readonly failed: number;
  readonly timedOut: number;
  /** Number of trials that halving stopped. */
  readonly stopped: number;
  /** Number of trials that were not started, or not finished because the sweep was stopped. */
  readonly left: number;
}

/** State of a sweep as a whole. */
export interface WholeProgress {
  /** Part of the work that is done, from 0 to 1: of the time that all outputs take. */
  readonly share: number;
  /** Absent while nothing tells how long something takes that is yet to be made. */
  readonly secondsLeft?: number;
}

/** Event of a sweep: a closed union that every renderer handles whole. */
export type SweepEvent =
  | {
      readonly type: 'sweep-started';
      readonly pipeline: string;
      readonly file: string;
      /** Absolute path of the sweep's folder. */
      readonly directory: string;
      readonly parallel: number;
      readonly trials: readonly TrialOutlook[];
    }
  | { readonly type: 'trial-cached'; readonly result: TrialResult }
  /** `job` is the number that a cluster gave it. */
  | { readonly type: 'trial-submitted'; readonly trial: string; readonly job: string }
  | { readonly type: 'trial-started'; readonly trial: string; readonly attempt: number }
  | { readonly type: 'trial-event'; readonly trial: string; readonly event: TimedRunEvent }
  /** At most one a second. */
  | ({
      readonly type: 'sweep-progress';
      /** Trials of which everything is there. */
      readonly done: number;
      readonly trials: number;
    } & WholeProgress)
  | {
      readonly type: 'trial-retrying';
      readonly trial: string;
      /** Number of the attempt that is to come. */
      readonly attempt: number;
      readonly attempts: number;
      readonly pauseSeconds: number;
      readonly failure: TrialFailure;
    }
  /** Arrival of a trial at a step after which halving compares. */
  | { readonly type: 'trial-compared'; readonly trial: string; readonly stage: string; readonly step: number }
  /** Any status but `cached`, `waiting` and `running`. */
  | { readonly type: 'trial-ended'; readonly result: TrialResult; readonly seconds: number }
  | {
      readonly type: 'sweep-finished' | 'sweep-failed' | 'sweep-interrupted';
      readonly seconds: number;
      /** Time that stages worked in this call. */
      readonly workedSeconds: number;
      readonly counts: SweepCounts;
      readonly results: readonly TrialResult[];
      /** Absolute paths of the tables. */
      readonly csv: string;
      readonly json: string;
    };

export type TimedSweepEvent = SweepEvent & { readonly time: string };
