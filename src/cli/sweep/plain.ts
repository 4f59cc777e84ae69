import { counted, formatDuration } from '../../base/format.js';
import { shortNames } from '../../base/short-names.js';
import { summaryFacts } from '../../pages/figures.js';
import type { TimedRunEvent } from '../../runner/run/events.js';
import { ProgressMeter } from '../../runner/runs/progress-meter.js';
import { describeValues, stoppedSentence } from '../../runner/sweep/trial.js';
import type { SweepEvent, TimedSweepEvent } from '../../runner/sweep/trial.js';
import { paceFacts, position, stageTime, waitingSentence } from '../renderers/sentences.js';
import { say, shortPath } from '../services.js';
import { type ClosingOptions, closingText } from './closing.js';

const progressEverySeconds = 10;

/** Lines that stay, for logs and pipes: what the stages of each trial come to, and now and then how far they are. */
export function plainSweepRenderer(
  stdout: NodeJS.WriteStream,
  stderr: NodeJS.WriteStream,
  closing: ClosingOptions,
  clock: () => number = () => performance.now() / 1000,
): SweepRenderer {
  const names = shortNames(closing.keys);
  const labels = new Map<string, string>();
  const meters = new Map<string, { meter: ProgressMeter; told: number }>();
  let toldWhole = clock();
  const line = (text: string): void => {
    say(stdout, `${text}\n`);
  };

  const showRunEvent = (trial: string, event: TimedRunEvent): void => {
    switch (event.type) {
      case 'record-damaged':
        line(`${trial}: warning: ${event.message}`);
        break;
      case 'stage-waiting':
        line(`${trial} ${event.stage}: ${waitingSentence(event)}`);
        break;
      case 'stage-started':
        meters.set(trial, { meter: new ProgressMeter(), told: clock() });
        line(`${trial} ${event.stage}: ${event.resumed ? 'continues' : 'starts'}`);
        break;
      case 'stage-finished':
        line(
          `${trial} ${event.stage}: ${[`finished in ${stageTime(event)}`, ...summaryFacts(event)].join(', ')}`,
        );
        break;
      case 'stage-event': {
        const inner = event.event;
        const state = meters.get(trial);
        if (inner.type === 'notice' && inner.level === 'warning')
          line(`${trial} ${event.stage}: warning: ${inner.message}`);
        if (inner.type !== 'progress' || state === undefined) break;
        state.meter.add(inner, clock());
        if (clock() - state.told < progressEverySeconds) break;
        state.told = clock();
        line(
          `${trial} ${event.stage}: ${[position(inner), ...paceFacts(state.meter.pace, inner)].join(', ')}`,
        );
        break;
      }
    }
  };

  return {
    show: (event: TimedSweepEvent) => {
      switch (event.type) {
        case 'sweep-started':
          for (const { trial, values } of event.trials) labels.set(trial, describeValues(values, names));
          line(`${event.pipeline}: ${startFacts(event)}`);
          break;
        case 'trial-cached':
          line(`${event.result.trial} (${labels.get(event.result.trial)!}): cached`);
          break;
        case 'trial-submitted':
          line(`${event.trial}: submitted as job ${event.job}`);
          break;
        case 'trial-started':
          line(`${event.trial} (${labels.get(event.trial)!}): starts${event.attempt > 1 ? ` again` : ''}`);
          break;
        case 'trial-event':
          showRunEvent(event.trial, event.event);
          break;
        case 'trial-retrying':
          line(`${event.trial}: ${retrySentence(event)}`);
          break;
        case 'trial-compared':
          line(`${event.trial}: ${comparedSentence(event)}`);
          break;
        case 'trial-ended':
          line(`${event.result.trial}: ${endSentence(event)}`);
          break;
        case 'sweep-progress':
          if (clock() - toldWhole < progressEverySeconds * 3) break;
          toldWhole = clock();
          line(`sweep: ${progressFacts(event).join(', ')}`);
          break;
        case 'sweep-finished':
        case 'sweep-failed':
        case 'sweep-interrupted':
          say(stdout, closingText(event, closing));
          break;
      }
    },
    stopping: () => {
      say(stderr, 'Stopping the trials; a second Ctrl-C ends them at once.\n');
    },
    end: () => undefined,
  };
}

/** Shows a sweep while it happens. */
export interface SweepRenderer {
  show(event: TimedSweepEvent): void;
  /** The user has asked to stop; the trials are saving what they must. */
  stopping(): void;
  /** Leaves the output in order, whatever happened. */
  end(): void;
}

type Of<Type extends SweepEvent['type']> = Extract<SweepEvent, { type: Type }>;

/** Facts at the start of a sweep, such as `4 trials, 1 cached, 2 at once, runs/mine/sweep`. */
export function startFacts({ trials, parallel, directory }: Of<'sweep-started'>): string {
  const cached = trials.filter(({ toRun }) => toRun.length === 0).length;
  const atOnce = Math.min(parallel, trials.length - cached);
  return [
    counted(trials.length, 'trial'),
    ...(cached > 0 ? [`${cached} cached`] : []),
    ...(atOnce > 1 ? [`${atOnce} at once`] : []),
    shortPath(directory),
  ].join(', ');
}

export type SweepProgressEvent = Of<'sweep-progress'>;

/** A sweep as a whole, such as `42 %, 3 of 6 trials, 2 min 10 s left`. */
export function progressFacts({ share, done, trials, secondsLeft }: SweepProgressEvent): readonly string[] {
  return [
    `${Math.floor(100 * share)} %`,
    `${done} of ${counted(trials, 'trial')}`,
    ...(secondsLeft === undefined || secondsLeft <= 0 ? [] : [`${formatDuration(secondsLeft)} left`]),
  ];
}

export function retrySentence({ attempt, attempts, pauseSeconds, failure }: Of<'trial-retrying'>): string {
  const where = failure.stage === undefined ? '' : `stage ${failure.stage}: `;
  return `failed (${where}${failure.message}); attempt ${attempt} of ${attempts} in ${formatDuration(pauseSeconds)}`;
}

export const comparedSentence = ({ stage, step }: Of<'trial-compared'>): string =>
  `saved after ${counted(step, 'step')} of ${stage}, to be compared`;

export function endSentence({ result, seconds }: Of<'trial-ended'>): string {
  const { status, failure, stopped } = result;
  if (stopped !== undefined) return stoppedSentence(stopped);
  if (status === 'finished') return `finished in ${formatDuration(seconds)}`;
  if (failure === undefined) return status;
  const where = failure.stage === undefined || status === 'skipped' ? '' : `stage ${failure.stage}: `;
  return `${status}: ${where}${failure.message}`;
}
