import type { KeptLock } from '../lock/lock-file.js';
import type { Reason } from '../plan/reasons.js';
import type { Acceptance, Headline, Json, StageEvent } from '../stage.js';
import type { LockHolder } from '../store/output-lock.js';

/** States of a run. `died`: its process ended without a word, as by `kill -9` or a power cut. */
export const runStates = ['running', 'finished', 'failed', 'interrupted', 'died'] as const;
export type RunState = (typeof runStates)[number];

/** Failure, in a form that can be written down. */
export interface Failure {
  /** Present where the reader can mend it. */
  readonly code?: string;
  readonly message: string;
  readonly remedy?: string;
  /** Present where it is a defect of ours. */
  readonly stack?: string;
}

/** A stage of a run before anything has run. */
export interface StageOutlook {
  readonly stage: string;
  readonly kind: string;
  readonly fingerprint: string;
  /** Ids of the stages whose output it reads. */
  readonly after: readonly string[];
  /** Reasons why it runs; empty where it is cached. */
  readonly reasons: readonly Reason[];
  /** Range in seconds of the time that it is expected to take, where stages like it tell. */
  readonly expectedSeconds?: readonly [least: number, most: number];
}

/** A finished stage. */
export interface StageResult {
  readonly stage: string;
  readonly kind: string;
  readonly fingerprint: string;
  /** Absolute path of the output. */
  readonly output: string;
  readonly summary: Readonly<Record<string, Json>>;
  /** Last figures of its progress when it was made, such as the loss. */
  readonly figures: Readonly<Record<string, number>>;
  /** The number by which it is compared with others; absent where its kind has none. */
  readonly headline?: Headline;
  /** Numbers that lists of figures leave out; absent where there are none. */
  readonly amounts?: readonly string[];
  /** Time that the output took, over all sessions that worked on it. */
  readonly totalSeconds: number;
}

/**
 * Event of a run: a closed union that every renderer handles whole, and that is written as it is to the run's
 * `events.jsonl`. `stage` is the stage's id.
 */
export type RunEvent =
  /** Files that stages take from outside are being read, before the run can be planned. */
  | { readonly type: 'reading-inputs'; readonly stage: string; readonly done: number }
  | {
      readonly type: 'run-started';
      readonly pipeline: string;
      readonly file: string;
      /** Absolute path of the run's folder. */
      readonly directory: string;
      readonly stages: readonly StageOutlook[];
      /** Name of the device that will compute, such as `NVIDIA H200` or `processor`; absent where nothing will. */
      readonly computesOn?: string;
      /** Warnings about what will compute otherwise than one may expect, as sentences. */
      readonly warnings?: readonly string[];
    }
  /** `gone` are paths of what the output was made from that are not there any more. */
  | ({
      readonly type: 'stage-cached';
      readonly gone?: readonly string[];
      readonly accepted?: Acceptance;
      /** Time at which it was forced, where it has been made since. */
      readonly forcedAt?: string;
    } & StageResult)
  /** Another process is making the same output; its result will be used. */
  | { readonly type: 'stage-waiting'; readonly stage: string; readonly holder?: LockHolder }
  | {
      readonly type: 'output-damaged';
      readonly stage: string;
      readonly output: string;
      readonly problem: string;
      readonly movedTo: string;
    }
  /** `message` says which record that the program keeps is damaged, and what is done without it. */
  | { readonly type: 'record-damaged'; readonly message: string }
  | {
      readonly type: 'stage-started';
      readonly stage: string;
      readonly kind: string;
      readonly fingerprint: string;
      readonly reasons: readonly Reason[];
      /** True when it continues what an interrupted session left. */
      readonly resumed: boolean;
      /** GPUs that are its own while it runs, where it runs beside others. */
      readonly devices?: readonly string[];
      readonly log: string;
    }
  | { readonly type: 'stage-event'; readonly stage: string; readonly event: StageEvent }
  | ({ readonly type: 'stage-finished'; readonly seconds: number; readonly bytes: number } & StageResult)
  | {
      readonly type: 'stage-failed';
      readonly stage: string;
      readonly failure: Failure;
      readonly log: string;
      /** Stages that run on, to their end, before the run has failed. */
      readonly running?: readonly string[];
    }
  | {
      readonly type: 'run-finished';
      readonly seconds: number;
      readonly ran: number;
      readonly cached: number;
      /** Absolute paths of pages to look at. */
      readonly pages: readonly string[];
      /** Present where a lock was to be written. */
      readonly lock?: KeptLock;
    }
  /** `stage` is the one that failed first. */
  | { readonly type: 'run-failed'; readonly seconds: number; readonly stage: string }
  /** `stages` are those that were stopped; running again continues there. */
  | { readonly type: 'run-interrupted'; readonly seconds: number; readonly stages: readonly string[] };

/** An event with the time at which it happened, ISO 8601. */
export type TimedRunEvent = RunEvent & { readonly time: string };
