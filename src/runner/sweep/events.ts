import type { Failure, TimedRunEvent } from '../run/events.js';
import type { Json } from '../stage.js';

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
  /** Status of a trial that was not started, because a stage that it shares failed in another trial. */
  | 'skipped';

/** Result of a trial: a row of the sweep's table. */
export interface TrialResult {
  readonly trial: string;
  readonly status: TrialStatus;
  readonly values: Readonly<Record<string, Json>>;
  /** Numbers by `stage.name`, of the stages that have finished. */
  readonly metrics: Readonly<Record<string, number>>;
  /** Time that its outputs took, over all sessions, those of shared stages included. */
  readonly seconds: number;
  /** Absolute path of the folder of its last run; absent where it did not have to run. */
  readonly run?: string;
  /** Absolute paths of pages to look at. */
  readonly pages: readonly string[];
  readonly failure?: TrialFailure;
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
  /** Number of trials that were not started, or not finished because the sweep was stopped. */
  readonly left: number;
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
  | {
      readonly type: 'trial-retrying';
      readonly trial: string;
      /** Number of the attempt that is to come. */
      readonly attempt: number;
      readonly attempts: number;
      readonly pauseSeconds: number;
      readonly failure: TrialFailure;
    }
  /** Any status but `cached`, `waiting` and `running`. */
  | { readonly type: 'trial-ended'; readonly result: TrialResult; readonly seconds: number }
  | {
      readonly type: 'sweep-finished' | 'sweep-failed' | 'sweep-interrupted';
      readonly seconds: number;
      readonly counts: SweepCounts;
      readonly results: readonly TrialResult[];
      /** Absolute paths of the tables. */
      readonly csv: string;
      readonly json: string;
    };

export type TimedSweepEvent = SweepEvent & { readonly time: string };
