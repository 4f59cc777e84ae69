import type { Headline, Json, KeptProgress } from '../stage.js';
import type { Failure } from './events.js';

/** Names, in a run's folder, of its state, of the lock that its process holds while it lives, and of what happened. */
export const runName = 'run.json';
export const runLockName = 'run.lock';
export const eventsName = 'events.jsonl';

/** A run as `run.json` tells it: small, so that a thousand of them are read in a moment. */
export interface RunFile {
  readonly format: 1;
  readonly pipeline: string;
  /** Absolute path of the pipeline's file. */
  readonly file: string;
  /** `running` is also what a process leaves that died: its lock tells. */
  readonly status: 'running' | 'finished' | 'failed' | 'interrupted';
  readonly host: string;
  readonly pid: number;
  readonly node: string;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly finishedAt?: string;
  readonly options: RunOptionsRecord;
  /** Stages by id, in the order in which they run. */
  readonly stages: Readonly<Record<string, StageRecord>>;
}

/** Options that the run was given, beside the file. */
export interface RunOptionsRecord {
  readonly set: readonly string[];
  readonly until?: string | undefined;
  readonly force: readonly string[];
  /** ISO 8601: when forcing began, where the run continues an interrupted one. Else it began with the run. */
  readonly forcedSince?: string | undefined;
}

export type StageStatus = 'waiting' | 'running' | 'cached' | 'finished' | 'failed' | 'interrupted';

export interface StageRecord {
  readonly kind: string;
  /** Ids of the stages whose output it reads. */
  readonly after: readonly string[];
  readonly status: StageStatus;
  /** Reasons why it ran or is to run, in words; empty where it is cached. */
  readonly reasons: readonly string[];
  readonly fingerprint?: string;
  /** Path of the finished output, relative to the run's folder. */
  readonly output?: string;
  /** Time that the output took, over all sessions. */
  readonly seconds?: number;
  /** Plain values of the summary; lists and maps are in the output's manifest only. */
  readonly summary?: Readonly<Record<string, Json>>;
  /** Last figures of the progress of a finished stage, in whichever run that was. */
  readonly figures?: Readonly<Record<string, number>>;
  /** The number by which the output is compared with others. */
  readonly headline?: Headline;
  /** Progress when the run last changed; a running stage's events are newer. */
  readonly progress?: KeptProgress;
  readonly failure?: Failure;
}
