import { figuresOfStage } from '../runs/figures.js';
import type { StageRecord } from '../run/run-file.js';
import type { TimedRunEvent } from '../run/events.js';
import type { TrialFailure, TrialResult } from './events.js';

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
      case 'stage-cached':
      case 'stage-finished':
        this.current = undefined;
        this.#seconds += event.totalSeconds;
        Object.assign(this.#metrics, metricsOf(event.stage, event));
        break;
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
  record: Pick<StageRecord, 'summary' | 'figures'>,
): Record<string, number> {
  return Object.fromEntries(
    figuresOfStage(stage, record).map(({ name, value }) => [`${stage}.${name}`, value]),
  );
}
