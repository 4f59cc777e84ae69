import type { ChalkInstance } from 'chalk';
import { ProgressMeter } from '../../pipeline/runs/progress-meter.js';
import type { TimedRunEvent } from '../../pipeline/run/events.js';
import type { TimedSweepEvent } from '../../pipeline/sweep/index.js';
import { activeStageLines, fit, type ActiveStage } from '../renderers/live-lines.js';
import { waitingSentence } from '../renderers/sentences.js';
import { describeValues, shortNames } from '../../pipeline/sweep/names.js';
import { endSentence, retrySentence, startFacts } from './sentences.js';

/** What is on the screen during a sweep, apart from how it gets there. Times are seconds on one clock. */
export class SweepView {
  stopping = false;
  readonly #chalk: ChalkInstance;
  readonly #names: ReadonlyMap<string, string>;
  readonly #labels = new Map<string, string>();
  readonly #running = new Map<string, ActiveStage>();
  #left = 0;

  constructor(chalk: ChalkInstance, keys: readonly string[]) {
    this.#chalk = chalk;
    this.#names = shortNames(keys);
  }

  /** Takes an event in, and gives the lines that stay because of it. */
  take(event: TimedSweepEvent, now: number): readonly string[] {
    const { bold, dim, green, red, yellow } = this.#chalk;
    switch (event.type) {
      case 'sweep-started':
        for (const { trial, values } of event.trials)
          this.#labels.set(trial, describeValues(values, this.#names));
        this.#left = event.trials.length;
        return [`${bold(event.pipeline)} ${dim(startFacts(event))}`, ''];
      case 'trial-cached':
        this.#left--;
        return [this.#line(dim('✓'), event.result.trial, dim('cached'))];
      case 'trial-submitted':
        this.#enter(event.trial, `waiting as job ${event.job}`, now);
        return [];
      case 'trial-started':
        this.#enter(event.trial, event.attempt > 1 ? 'starts again' : 'starts', now);
        return [];
      case 'trial-retrying':
        this.#enter(event.trial, 'waiting for another attempt', now);
        return [this.#line(yellow('!'), event.trial, yellow(retrySentence(event)))];
      case 'trial-event':
        this.#takeRunEvent(event.trial, event.event, now);
        return [];
      case 'trial-ended': {
        this.#running.delete(event.result.trial);
        this.#left--;
        const { status, trial } = event.result;
        const tint =
          status === 'finished' ? green : status === 'failed' || status === 'skipped' ? red : yellow;
        return [this.#line(tint(status === 'finished' ? '✓' : '✗'), trial, endSentence(event))];
      }
      case 'sweep-finished':
      case 'sweep-failed':
      case 'sweep-interrupted':
        this.#running.clear();
        this.#left = 0;
        return [];
    }
  }

  /** The part that is redrawn, for a terminal of that size. */
  lines(columns: number, rows: number, now: number): readonly string[] {
    const width = Math.max(columns - 1, 20);
    const idWidth = Math.max(0, ...Array.from(this.#running.values(), ({ stage }) => stage.length));
    const most = Math.max(1, Math.floor((rows - 4) / 2));
    const shown = [...this.#running.values()].slice(0, most);
    const lines = shown.flatMap((active) => activeStageLines(active, idWidth, width, now, this.#chalk));
    const more = this.#running.size - shown.length;
    if (more > 0) lines.push(this.#chalk.dim(fit(`  and ${more} more running`, width)));
    const waiting = this.#left - this.#running.size;
    if (waiting > 0) lines.push(this.#chalk.dim(fit(`○ ${waiting} more to run`, width)));
    if (this.stopping && lines.length > 0)
      lines.push(
        this.#chalk.yellow(
          fit('Stopping: the trials save what they need. A second Ctrl-C ends them at once.', width),
        ),
      );
    return lines;
  }

  #takeRunEvent(trial: string, event: TimedRunEvent, now: number): void {
    switch (event.type) {
      case 'stage-waiting':
        this.#enter(trial, waitingSentence(event), now, event.stage);
        break;
      case 'stage-started':
        this.#enter(trial, '', now, event.stage, event.resumed);
        break;
      case 'stage-event':
        if (event.event.type === 'progress') this.#running.get(trial)?.meter.add(event.event, now);
        break;
    }
  }

  #enter(trial: string, note: string, since: number, stage = '', resumed = false): void {
    const label = [trial, this.#labels.get(trial)!, ...(stage === '' ? [] : [stage])].join(' · ');
    const notes = note === '' ? [] : [note];
    this.#running.set(trial, { stage: label, notes, resumed, since, meter: new ProgressMeter() });
  }

  #line(mark: string, trial: string, text: string): string {
    return `${mark} ${trial} ${this.#labels.get(trial)!}: ${text}`;
  }
}
