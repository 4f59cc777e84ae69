import { figuresOfStage } from '../runs/figures.js';
import type { StageRecord } from '../run/run-file.js';
import type { TimedRunEvent } from '../run/events.js';
import type { StageProgress } from '../stage.js';
import type { TrialFailure, TrialResult } from './events.js';

/** Last progress of stages that ran in any trial of this sweep, by fingerprint: outputs do not keep its figures. */
export type KnownProgress = Map<string, StageProgress>;

/** What the events of a trial's run come to. */
export class TrialRecord {
  /** The stage that is running, or that failed. */
  current: string | undefined;
  failure: TrialFailure | undefined;
  last: TimedRunEvent['type'] | undefined;
  #run: string | undefined;
  #seconds = 0;
  #pages: readonly string[] = [];
  readonly #metrics: Record<string, number> = {};
  readonly #progress = new Map<string, StageProgress>();
  readonly #known: KnownProgress;

  constructor(known: KnownProgress) {
    this.#known = known;
  }

  add(event: TimedRunEvent): void {
    this.last = event.type;
    switch (event.type) {
      case 'run-started':
        this.#run = event.directory;
        break;
      case 'stage-started':
      case 'stage-waiting':
        this.current = event.stage;
        break;
      case 'stage-event':
        if (event.event.type === 'progress') this.#progress.set(event.stage, event.event);
        break;
      case 'stage-cached':
      case 'stage-finished': {
        const { stage, fingerprint, summary } = event;
        const progress = this.#progress.get(stage) ?? this.#known.get(fingerprint);
        if (progress) this.#known.set(fingerprint, progress);
        this.current = undefined;
        this.#seconds += event.totalSeconds;
        Object.assign(this.#metrics, metricsOf(stage, { summary, progress }));
        break;
      }
      case 'stage-failed':
        this.failure = { ...event.failure, stage: event.stage, log: event.log };
        break;
      case 'run-finished':
        this.#pages = event.pages;
        break;
    }
  }

  get facts(): Pick<TrialResult, 'metrics' | 'seconds' | 'run' | 'pages'> {
    return {
      metrics: this.#metrics,
      seconds: this.#seconds,
      pages: this.#pages,
      ...(this.#run !== undefined && { run: this.#run }),
    };
  }
}

/** The numbers of a stage by `stage.name`. */
export function metricsOf(
  stage: string,
  record: { summary: NonNullable<StageRecord['summary']>; progress?: StageRecord['progress'] | undefined },
): Record<string, number> {
  const { summary, progress } = record;
  const figures = figuresOfStage(stage, { summary, ...(progress && { progress }) } as StageRecord);
  return Object.fromEntries(figures.map(({ name, value }) => [`${stage}.${name}`, value]));
}
