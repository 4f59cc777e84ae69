import { Chalk, type ChalkInstance } from 'chalk';
import { createLogUpdate } from 'log-update';
import stringWidth from 'string-width';
import { formatDuration } from '../../base/format.js';
import { summaryFacts } from '../../pages/figures.js';
import { formatReason } from '../../runner/plan/reasons.js';
import type { TimedRunEvent } from '../../runner/run/events.js';
import { onDevices } from '../../runner/run/run-record.js';
import { ProgressMeter } from '../../runner/runs/progress-meter.js';
import type { StageEvent } from '../../runner/stage.js';
import { formatFailure } from '../errors.js';
import { cachedNotes } from '../planned.js';
import { say, shortPath } from '../services.js';
import { type ActiveStage, activeStageLines, fit, readingLine, waitingStageLine } from './live-lines.js';
import { type Renderer } from './plain.js';
import {
  damagedSentence,
  finishedSentence,
  interruptedSentence,
  lockSentences,
  nextSentence,
  pageLines,
  runningOnSentences,
  outlook,
  stageTime,
  waitingSentence,
} from './sentences.js';

const redrawMilliseconds = 125;

/**
 * A live view: what is finished stays above as lines, what is running and what is to come is redrawn below. Narrow
 * terminals lose the bar first, then facts from the right.
 */
export function terminalRenderer(
  stdout: NodeJS.WriteStream,
  stderr: NodeJS.WriteStream,
  options: { readonly color: boolean },
): Renderer {
  const chalk = new Chalk({ level: options.color ? 1 : 0 });
  const live = createLogUpdate(stdout);
  const view = new View(chalk);
  let dirty = true;
  let drawn: readonly string[] = [];
  const draw = (): void => {
    drawn = view.lines(stdout.columns);
    live(drawn.join('\n'));
    dirty = false;
  };
  const above = (text: string, stream: NodeJS.WriteStream = stdout): void => {
    live.clear();
    say(stream, text);
    draw();
  };
  const onResize = (): void => {
    // The terminal has wrapped what was drawn for another width: it takes up more rows than were written.
    const rows = drawn.reduce(
      (sum, line) => sum + Math.max(1, Math.ceil(stringWidth(line) / stdout.columns)),
      0,
    );
    live.done();
    if (rows > 0) stdout.write(`\u001B[${rows}A\r\u001B[J`);
    draw();
  };
  let ticks = 0;
  const timer = setInterval(() => {
    if (dirty || ++ticks % 8 === 0) draw();
  }, redrawMilliseconds);
  timer.unref();
  stdout.on('resize', onResize);

  return {
    show: (event) => {
      if (event.type === 'stage-failed') {
        view.take(event);
        above(
          formatFailure(event.failure, options.color, { stage: event.stage, log: shortPath(event.log) }),
          stderr,
        );
        for (const line of runningOnSentences(event)) above(`${line}\n`);
        return;
      }
      const lines = view.take(event);
      dirty = true;
      if (lines.length > 0) above(lines.map((line) => `${line}\n`).join(''));
    },
    stopping: () => {
      view.stopping = true;
      draw();
    },
    end: () => {
      clearInterval(timer);
      stdout.off('resize', onResize);
      live.clear();
      live.done();
    },
  };
}

/** Content of the screen, apart from how it gets there. */
class View {
  stopping = false;
  private readonly chalk: ChalkInstance;
  private readonly toCome: string[] = [];
  private idWidth = 8;
  /** Stages by id, in the order in which they started. */
  private readonly active = new Map<string, ActiveStage>();
  private outset: (TimedRunEvent & { type: 'run-started' }) | undefined;
  private reading: (TimedRunEvent & { type: 'reading-inputs' }) | undefined;

  constructor(chalk: ChalkInstance) {
    this.chalk = chalk;
  }

  /** Takes an event in, and gives the lines that stay because of it. */
  take(event: TimedRunEvent): readonly string[] {
    const { green, dim, yellow, bold, red } = this.chalk;
    switch (event.type) {
      case 'reading-inputs':
        this.reading = event;
        return [];
      case 'run-started':
        this.outset = event;
        this.reading = undefined;
        this.toCome.push(...event.stages.map(({ stage }) => stage));
        this.idWidth = Math.max(...this.toCome.map((id) => id.length), 4);
        return [
          ...(event.warnings ?? []).map((warning) => yellow(`! ${warning}`)),
          `${bold(event.pipeline)} ${dim(`${outlook(event)}, ${shortPath(event.directory)}`)}`,
          '',
        ];
      case 'stage-cached':
        this.leave(event.stage);
        return [
          this.line(dim('✓'), event.stage, dim(['cached', ...summaryFacts(event)].join(' · '))),
          ...cachedNotes(event).map((note) => this.line(dim('i'), event.stage, dim(note))),
        ];
      case 'stage-waiting':
        this.enter(event.stage, [waitingSentence(event)]);
        return [];
      case 'output-damaged':
        return [this.line(yellow('!'), event.stage, yellow(damagedSentence(event)))];
      case 'record-damaged':
        return [yellow(`! ${event.message}`)];
      case 'stage-started': {
        const place = onDevices(event).trim();
        const notes = [...(place === '' ? [] : [place]), ...event.reasons.map(formatReason)];
        this.enter(event.stage, notes, event.resumed);
        return [];
      }
      case 'stage-event':
        return this.takeStageEvent(event.stage, event.event);
      case 'stage-finished':
        this.leave(event.stage);
        return [
          this.line(
            green('✓'),
            event.stage,
            [stageTime(event), ...summaryFacts(event).map((fact) => dim(fact))].join(dim(' · ')),
          ),
        ];
      case 'stage-failed':
        this.leave(event.stage);
        return [];
      case 'run-finished':
        this.clear();
        return [
          '',
          green(finishedSentence(event)),
          ...lockSentences(event),
          ...pageLines(event, bold),
          ...(this.outset ? [nextSentence(this.outset, event)] : []),
        ];
      case 'run-failed':
        this.clear();
        return [dim(`Stopped after ${formatDuration(event.seconds)}.`)];
      case 'run-interrupted':
        this.clear();
        return ['', (event.stages.length === 0 ? red : yellow)(interruptedSentence(event))];
    }
  }

  /** The part that is redrawn, for a terminal of `columns`. */
  lines(columns: number): readonly string[] {
    const width = Math.max(columns - 1, 20);
    const lines = [
      ...(this.reading === undefined ? [] : [readingLine(this.reading, width)]),
      ...[...this.active.values()].flatMap((active) =>
        activeStageLines(active, this.idWidth, width, performance.now() / 1000, this.chalk),
      ),
      ...this.toCome.map((id) => waitingStageLine(id, width, this.chalk)),
    ];
    if (this.stopping && lines.length > 0)
      lines.push(
        this.chalk.yellow(
          fit('Stopping: saving what is needed to continue. A second Ctrl-C stops at once.', width),
        ),
      );
    return lines;
  }

  private takeStageEvent(stage: string, event: StageEvent): readonly string[] {
    if (event.type === 'progress') this.active.get(stage)?.meter.add(event, performance.now() / 1000);
    if (event.type !== 'notice') return [];
    const { yellow, dim } = this.chalk;
    const isWarning = event.level === 'warning';
    return [
      this.line(
        (isWarning ? yellow : dim)(isWarning ? '!' : 'i'),
        stage,
        isWarning ? yellow(event.message) : dim(event.message),
      ),
    ];
  }

  private line(mark: string, stage: string, text: string): string {
    return `${mark} ${stage.padEnd(this.idWidth)}  ${text}`;
  }

  private enter(stage: string, notes: readonly string[], resumed = false): void {
    this.leave(stage);
    const since = performance.now() / 1000;
    this.active.set(stage, { stage, notes, resumed, since, meter: new ProgressMeter() });
  }

  private leave(stage: string): void {
    const index = this.toCome.indexOf(stage);
    if (index >= 0) this.toCome.splice(index, 1);
    this.active.delete(stage);
  }

  private clear(): void {
    this.toCome.length = 0;
    this.active.clear();
    this.reading = undefined;
  }
}
