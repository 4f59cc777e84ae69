import { Chalk, type ChalkInstance } from 'chalk';
import { createLogUpdate } from 'log-update';
import { shortNames } from '../../base/short-names.js';
import type { TimedRunEvent } from '../../runner/run/events.js';
import { ProgressMeter } from '../../runner/runs/progress-meter.js';
import { describeValues, type TimedSweepEvent } from '../../runner/sweep/trial.js';
import { type ActiveStage, activeStageLines, drawBar, fit } from '../renderers/live-lines.js';
import { waitingSentence } from '../renderers/sentences.js';
import { say } from '../services.js';
import { type ClosingOptions, closingText } from './closing.js';
import { comparedSentence, endSentence, progressFacts, retrySentence, startFacts } from './plain.js';
import type { SweepProgressEvent, SweepRenderer } from './plain.js';

const redrawMilliseconds = 200;

/** A live view: trials that have ended stay above as lines, those that run are redrawn below. */
export function liveSweepRenderer(stdout: NodeJS.WriteStream, closing: ClosingOptions): SweepRenderer {
  const live = createLogUpdate(stdout);
  const view = new SweepView(new Chalk({ level: closing.color ? 1 : 0 }), closing.keys);
  const draw = (): void => {
    live(view.lines(stdout.columns, stdout.rows, performance.now() / 1000).join('\n'));
  };
  const timer = setInterval(draw, redrawMilliseconds).unref();
  const above = (text: string): void => {
    live.clear();
    say(stdout, text);
  };
  return {
    show: (event: TimedSweepEvent) => {
      const lines = view.take(event, performance.now() / 1000);
      if (lines.length > 0) above(lines.map((line) => `${line}\n`).join(''));
      if (
        event.type === 'sweep-finished' ||
        event.type === 'sweep-failed' ||
        event.type === 'sweep-interrupted'
      )
        above(closingText(event, { ...closing, width: stdout.columns }));
      else draw();
    },
    stopping: () => {
      view.stopping = true;
      draw();
    },
    end: () => {
      clearInterval(timer);
      live.clear();
      live.done();
    },
  };
}

/** The sweep as a whole, in a line. */
function wholeLine(event: SweepProgressEvent, width: number, chalk: ChalkInstance): string {
  const text = progressFacts(event).join(' · ');
  const bar = drawBar(event.share, Math.max(0, Math.min(36, width - text.length - 4)), chalk);
  return `${bar}  ${chalk.bold(fit(text, width))}`;
}

/** Content of the screen during a sweep, apart from how it gets there. Times are seconds on one clock. */
class SweepView {
  stopping = false;
  private readonly chalk: ChalkInstance;
  private readonly names: ReadonlyMap<string, string>;
  private readonly labels = new Map<string, string>();
  private readonly running = new Map<string, ActiveStage>();
  private whole: SweepProgressEvent | undefined;

  constructor(chalk: ChalkInstance, keys: readonly string[]) {
    this.chalk = chalk;
    this.names = shortNames(keys);
  }

  /** Takes an event in, and gives the lines that stay because of it. */
  take(event: TimedSweepEvent, now: number): readonly string[] {
    const { bold, dim, green, red, yellow } = this.chalk;
    switch (event.type) {
      case 'sweep-started':
        for (const { trial, values } of event.trials)
          this.labels.set(trial, describeValues(values, this.names));
        return [`${bold(event.pipeline)} ${dim(startFacts(event))}`, ''];
      case 'trial-cached':
        return [this.line(dim('✓'), event.result.trial, dim('cached'))];
      case 'trial-submitted':
        this.enter(event.trial, `waiting as job ${event.job}`, now);
        return [];
      case 'trial-started':
        this.enter(event.trial, event.attempt > 1 ? 'starts again' : 'starts', now);
        return [];
      case 'trial-retrying':
        this.enter(event.trial, 'waiting for another attempt', now);
        return [this.line(yellow('!'), event.trial, yellow(retrySentence(event)))];
      case 'trial-event':
        if (event.event.type === 'record-damaged')
          return [this.line(yellow('!'), event.trial, yellow(event.event.message))];
        this.takeRunEvent(event.trial, event.event, now);
        return [];
      case 'trial-compared':
        this.running.delete(event.trial);
        return [this.line(dim('·'), event.trial, dim(comparedSentence(event)))];
      case 'trial-ended': {
        this.running.delete(event.result.trial);
        const { status, trial } = event.result;
        const tint =
          status === 'finished' ? green : status === 'failed' || status === 'skipped' ? red : yellow;
        return [this.line(tint(status === 'finished' ? '✓' : '✗'), trial, endSentence(event))];
      }
      case 'sweep-progress':
        this.whole = event;
        return [];
      case 'sweep-finished':
      case 'sweep-failed':
      case 'sweep-interrupted':
        this.running.clear();
        this.whole = undefined;
        return [];
    }
  }

  /** The part that is redrawn, for a terminal of that size. */
  lines(columns: number, rows: number, now: number): readonly string[] {
    const width = Math.max(columns - 1, 20);
    const idWidth = Math.max(0, ...Array.from(this.running.values(), ({ stage }) => stage.length));
    const most = Math.max(1, Math.floor((rows - 4) / 2));
    const shown = [...this.running.values()].slice(0, most);
    const lines = shown.flatMap((active) => activeStageLines(active, idWidth, width, now, this.chalk));
    const more = this.running.size - shown.length;
    if (more > 0) lines.push(this.chalk.dim(fit(`  and ${more} more running`, width)));
    if (this.whole !== undefined) lines.push(wholeLine(this.whole, width, this.chalk));
    if (this.stopping && lines.length > 0)
      lines.push(
        this.chalk.yellow(
          fit('Stopping: the trials save what they need. A second Ctrl-C ends them at once.', width),
        ),
      );
    return lines;
  }

  private takeRunEvent(trial: string, event: TimedRunEvent, now: number): void {
    switch (event.type) {
      case 'stage-waiting':
        this.enter(trial, waitingSentence(event), now, event.stage);
        break;
      case 'stage-started':
        this.enter(trial, '', now, event.stage, event.resumed);
        break;
      case 'stage-event':
        if (event.event.type === 'progress') this.running.get(trial)?.meter.add(event.event, now);
        break;
    }
  }

  private enter(trial: string, note: string, since: number, stage = '', resumed = false): void {
    const label = [trial, this.labels.get(trial)!, ...(stage === '' ? [] : [stage])].join(' · ');
    const notes = note === '' ? [] : [note];
    this.running.set(trial, { stage: label, notes, resumed, since, meter: new ProgressMeter() });
  }

  private line(mark: string, trial: string, text: string): string {
    return `${mark} ${trial} ${this.labels.get(trial)!}: ${text}`;
  }
}
