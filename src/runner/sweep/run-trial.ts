import { setTimeout as sleep } from 'node:timers/promises';
import { readWholeText } from '../../base/files.js';
import type { TimedRunEvent } from '../run/events.js';
import type { Exit, Launcher } from './launcher.js';
import { type SweepEvent, type Trial, type TrialFailure, TrialRecord, type TrialStatus } from './trial.js';

export interface TrialOptions {
  readonly launcher: Launcher;
  readonly log: string;
  readonly signal: AbortSignal;
  /** Ends the trial without letting it save. */
  readonly kill: AbortSignal;
  /** Further attempts after a failure. */
  readonly retries: number;
  /** Pause before the first of them; it doubles with each. */
  readonly retryPauseSeconds: number;
  /** Time that a trial may run, waiting for outputs of other processes not counted. */
  readonly timeLimitSeconds: number | undefined;
  readonly emit: (event: SweepEvent) => void;
}

/** End of a trial. */
export interface Ending {
  readonly status: Extract<TrialStatus, 'finished' | 'failed' | 'timed-out' | 'interrupted'>;
  readonly record: TrialRecord;
  readonly failure?: TrialFailure;
}

const longestPauseSeconds = 300;
/** A trial that is to stop has this long to save what it must. */
const graceSeconds = 120;

/** Runs a trial to its end, again after failures as often as is allowed. */
export async function runTrial(trial: Trial, options: TrialOptions): Promise<Ending> {
  const { retries, retryPauseSeconds, signal, emit } = options;
  for (let attempt = 1; ; attempt++) {
    emit({ type: 'trial-started', trial: trial.id, attempt });
    const ending = await attemptTrial(trial, options);
    if (ending.status !== 'failed' || attempt > retries || signal.aborted) return ending;
    const pauseSeconds = Math.min(retryPauseSeconds * 2 ** (attempt - 1), longestPauseSeconds);
    const failure = ending.failure!;
    emit({
      type: 'trial-retrying',
      trial: trial.id,
      attempt: attempt + 1,
      attempts: retries + 1,
      pauseSeconds,
      failure,
    });
    const pause = sleep(pauseSeconds * 1000, undefined, { signal });
    const isStopped = await pause.then(
      () => false,
      () => true,
    );
    if (isStopped) return { ...ending, status: 'interrupted' };
  }
}

async function attemptTrial(trial: Trial, options: TrialOptions): Promise<Ending> {
  const { launcher, log, signal, emit, timeLimitSeconds } = options;
  const record = new TrialRecord();
  const limit = new TimeLimit(timeLimitSeconds);
  const stop = AbortSignal.any([signal, limit.signal]);
  const tell = (event: TimedRunEvent): void => {
    record.add(event);
    limit.count(event.type !== 'stage-waiting');
    emit({ type: 'trial-event', trial: trial.id, event });
  };
  const submitted = (job: string): void => {
    emit({ type: 'trial-submitted', trial: trial.id, job });
  };
  const exit = await launcher({
    trial,
    log,
    signal: stop,
    kill: AbortSignal.any([options.kill, limit.kill]),
    tell,
    submitted,
  });
  limit.end();
  if (exit.code === 0 && record.last === 'run-finished') return { status: 'finished', record };
  if (signal.aborted) return { status: 'interrupted', record };
  if (limit.signal.aborted) {
    const at = record.current === undefined ? '' : ` in ${record.current}`;
    const message = `It was stopped${at} at its time limit; the same command continues it.`;
    return { status: 'timed-out', record, failure: { code: 'time-limit', message } };
  }
  const failure = record.failure ?? {
    ...(await unexplained(log, exit)),
    ...(record.current !== undefined && { stage: record.current }),
  };
  return { status: 'failed', record, failure };
}

/** The failure of a process that ended without saying why in its events. */
async function unexplained(log: string, { code, because }: Exit): Promise<TrialFailure> {
  const said = await readWholeText(log).catch(() => undefined);
  const last = said?.trim().split('\n').at(-1)?.trim() ?? '';
  const how = because ?? `ended with exit code ${String(code)}`;
  return {
    message: `Its process ${how}${last === '' ? '.' : `: ${last}`}`,
    ...(said !== undefined && { log }),
  };
}

/** Counts the time that a trial works, and asks it to stop when that is up. */
class TimeLimit {
  private readonly stop = new AbortController();
  private readonly killing = new AbortController();
  private leftMs: number | undefined;
  private since: number | undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor(seconds: number | undefined) {
    this.leftMs = seconds === undefined ? undefined : seconds * 1000;
  }

  get signal(): AbortSignal {
    return this.stop.signal;
  }

  /** Aborted where the trial did not stop when it was asked to. */
  get kill(): AbortSignal {
    return this.killing.signal;
  }

  /** Says whether the trial is working from now on, or waiting. */
  count(works: boolean): void {
    if (this.leftMs === undefined || this.stop.signal.aborted || works === (this.since !== undefined)) return;
    if (works) {
      this.since = performance.now();
      this.timer = setTimeout(() => {
        this.stop.abort();
        this.timer = setTimeout(() => {
          this.killing.abort();
        }, graceSeconds * 1000);
      }, this.leftMs);
    } else {
      clearTimeout(this.timer);
      this.leftMs = Math.max(0, this.leftMs - (performance.now() - this.since!));
      this.since = undefined;
    }
  }

  end(): void {
    clearTimeout(this.timer);
  }
}
