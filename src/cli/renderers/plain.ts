import { formatCount, formatDuration, formatRate } from '../../base/format.js';
import { figureFact, summaryFacts } from '../../pages/figures.js';
import { formatReason } from '../../runner/plan/reasons.js';
import type { RunEvent, TimedRunEvent } from '../../runner/run/events.js';
import { onDevices } from '../../runner/run/run-record.js';
import { type Pace, ProgressMeter } from '../../runner/runs/progress-meter.js';
import type { StageEvent, StageProgress } from '../../runner/stage.js';
import { formatFailure } from '../errors.js';
import { cachedNotes } from '../load.js';
import { say, shortPath } from '../services.js';

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
    const percent = event.total > 0 ? ` (${Math.floor((100 * event.done) / event.total)} %)` : '';
    line(`${stage}: ${[`${position(event)}${percent}`, ...paceFacts(meter.pace, event)].join(', ')}`);
  };

  const show = (event: TimedRunEvent): void => {
    switch (event.type) {
      case 'reading-inputs':
        if (isDue('')) line(`${event.stage}: reading files, ${formatCount(event.done)} so far`);
        break;
      case 'run-started':
        for (const warning of event.warnings ?? []) line(`warning: ${warning}`);
        line(`${event.pipeline}: ${stages(event.stages.length)}, run ${shortPath(event.directory)}`);
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
        for (const page of event.pages) line(`Report: ${shortPath(page)}`);
        lockSentences(event).forEach(line);
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

/** Sentences that the terminal and plain lines share. */

type Of<Type extends RunEvent['type']> = Extract<RunEvent, { type: Type }>;

export function waitingSentence({ holder }: Of<'stage-waiting'>): string {
  if (holder === undefined) return 'waiting for another process that is making the same output';
  const since = new Date(holder.since).toLocaleTimeString('en-GB');
  return `waiting for process ${holder.pid} on ${holder.host}, which has been making the same output since ${since}`;
}

export function damagedSentence({ output, problem, movedTo }: Of<'output-damaged'>): string {
  return `its output is damaged and will be made again: ${problem} in ${shortPath(output)}, now ${shortPath(movedTo)}`;
}

/** Formats progress, such as `5,200 of 10,000 steps`. */
export function position({ done, total, unit }: StageProgress): string {
  return `${formatCount(done)} of ${formatCount(total)} ${unit}`;
}

/** Rate, time left and figures, those that are known. */
export function paceFacts({ rate, secondsLeft }: Pace, progress: StageProgress): string[] {
  const facts: string[] = [];
  if (rate !== undefined) facts.push(formatRate(rate, progress.unit));
  if (secondsLeft !== undefined && secondsLeft > 0) facts.push(`${formatDuration(secondsLeft)} left`);
  for (const [name, value] of Object.entries(progress.figures ?? {})) facts.push(figureFact(name, value));
  return facts;
}

export function finishedSentence({ seconds, ran, cached }: Of<'run-finished'>): string {
  const parts = [
    ran > 0 ? `${stages(ran)} run` : '',
    cached === 0 ? '' : `${ran > 0 ? cached : stages(cached)} cached`,
  ];
  return `Done in ${formatDuration(seconds)}: ${parts.filter((part) => part !== '').join(', ')}.`;
}

/** Line about the lock, where there is anything to tell. */
export function lockSentences({ lock }: Of<'run-finished'>): readonly string[] {
  if (lock?.problem !== undefined) return [`The lock was not written: ${lock.problem}`];
  return lock?.changed === true ? [`Lock: ${shortPath(lock.path)}`] : [];
}

export function interruptedSentence({ stages }: Of<'run-interrupted'>): string {
  return stages.length === 0
    ? 'Interrupted between stages. Run the same command to continue.'
    : `Interrupted in ${inWords(stages)}. Run the same command to continue.`;
}

/** Line about the stages that run beside one that failed, where there are any. */
export function runningOnSentences({ running = [] }: Of<'stage-failed'>): readonly string[] {
  if (running.length === 0) return [];
  const goes = running.length === 1 ? 'runs to its end' : 'run to their end';
  return [`${inWords(running)} ${goes}; no other stage starts. Ctrl-C interrupts.`];
}

/** Joins names, such as `a, b and c`. */
const inWords = (names: readonly string[]): string =>
  [names.slice(0, -1).join(', '), ...names.slice(-1)].filter((part) => part !== '').join(' and ');

export const stages = (count: number): string => `${count} ${count === 1 ? 'stage' : 'stages'}`;

/** Time of a finished stage: that of this session, and of all where there were several. */
export function stageTime({ seconds, totalSeconds }: Of<'stage-finished'>): string {
  const several = totalSeconds - seconds > Math.max(1, 0.05 * totalSeconds);
  return several
    ? `${formatDuration(seconds)} (${formatDuration(totalSeconds)} with earlier sessions)`
    : formatDuration(seconds);
}
