import { formatCount } from '../../base/format.js';
import { summaryFacts } from '../../pages/figures.js';
import { formatReason } from '../../runner/plan/reasons.js';
import type { TimedRunEvent } from '../../runner/run/events.js';
import { onDevices } from '../../runner/run/run-record.js';
import { ProgressMeter } from '../../runner/runs/progress-meter.js';
import { percentDone, type StageEvent } from '../../runner/stage.js';
import { formatFailure } from '../errors.js';
import { cachedNotes } from '../planned.js';
import { say, shortPath } from '../services.js';
import {
  waitingSentence,
  damagedSentence,
  position,
  paceFacts,
  finishedSentence,
  lockSentences,
  nextSentence,
  pageLines,
  interruptedSentence,
  runningOnSentences,
  outlook,
  stageTime,
} from './sentences.js';

const progressEverySeconds = 5;

/** Lines that stay, for logs and pipes: progress at most every few seconds. */
export function plainRenderer(
  stdout: NodeJS.WriteStream,
  stderr: NodeJS.WriteStream,
  clock: () => number = () => performance.now() / 1000,
): Renderer {
  const meters = new Map<string, ProgressMeter>();
  const lastProgress = new Map<string, number>();
  const line = (text: string): void => {
    say(stdout, `${text}\n`);
  };
  const started = clock();
  let outset: (TimedRunEvent & { type: 'run-started' }) | undefined;
  const isDue = (stage: string): boolean => {
    const now = clock();
    if (now - (lastProgress.get(stage) ?? started) < progressEverySeconds) return false;
    lastProgress.set(stage, now);
    return true;
  };

  const showStageEvent = (stage: string, event: StageEvent): void => {
    if (event.type === 'notice')
      line(`${stage}: ${event.level === 'warning' ? 'warning: ' : ''}${event.message}`);
    if (event.type !== 'progress') return;
    const meter = meters.get(stage) ?? new ProgressMeter();
    meters.set(stage, meter);
    meter.add(event, clock());
    if (!isDue(stage)) return;
    const percent = percentDone(event);
    const share = percent === undefined ? '' : ` (${Math.floor(percent)} %)`;
    line(`${stage}: ${[`${position(event)}${share}`, ...paceFacts(meter.pace, event)].join(', ')}`);
  };

  const show = (event: TimedRunEvent): void => {
    switch (event.type) {
      case 'reading-inputs':
        if (isDue('')) line(`${event.stage}: reading files, ${formatCount(event.done)} so far`);
        break;
      case 'run-started':
        outset = event;
        for (const warning of event.warnings ?? []) line(`warning: ${warning}`);
        line(`${event.pipeline}: ${outlook(event)}, run ${shortPath(event.directory)}`);
        break;
      case 'stage-cached':
        line(`${event.stage}: ${['cached', ...summaryFacts(event)].join(', ')}`);
        for (const note of cachedNotes(event)) line(`${event.stage}: note: ${note}`);
        break;
      case 'stage-waiting':
        line(`${event.stage}: ${waitingSentence(event)}`);
        break;
      case 'output-damaged':
        line(`${event.stage}: warning: ${damagedSentence(event)}`);
        break;
      case 'record-damaged':
        line(`warning: ${event.message}`);
        break;
      case 'stage-started':
        lastProgress.set(event.stage, clock());
        line(
          `${event.stage}: ${event.resumed ? 'continues' : 'starts'}${onDevices(event)} (${event.reasons.map(formatReason).join('; ')})`,
        );
        break;
      case 'stage-event':
        showStageEvent(event.stage, event.event);
        break;
      case 'stage-finished':
        line(`${event.stage}: ${[`finished in ${stageTime(event)}`, ...summaryFacts(event)].join(', ')}`);
        break;
      case 'stage-failed':
        say(stderr, formatFailure(event.failure, false, { stage: event.stage, log: shortPath(event.log) }));
        runningOnSentences(event).forEach(line);
        break;
      case 'run-finished':
        line(finishedSentence(event));
        lockSentences(event).forEach(line);
        pageLines(event).forEach(line);
        if (outset) line(nextSentence(outset, event));
        break;
      case 'run-failed':
        break;
      case 'run-interrupted':
        line(interruptedSentence(event));
        break;
    }
  };
  return {
    show,
    stopping: () => {
      say(stderr, 'Stopping; a second Ctrl-C stops at once.\n');
    },
    end: () => undefined,
  };
}

/** One event a line, as JSON. */
export function jsonRenderer(stdout: NodeJS.WritableStream): Renderer {
  return {
    show: (event) => {
      stdout.write(`${JSON.stringify(event)}\n`);
    },
    stopping: () => undefined,
    end: () => undefined,
  };
}

/** Shows a run while it happens. */
export interface Renderer {
  show(event: TimedRunEvent): void;
  /** The user has asked to stop; the run is saving what it must. */
  stopping(): void;
  /** Leaves the output in order, whatever happened. */
  end(): void;
}
