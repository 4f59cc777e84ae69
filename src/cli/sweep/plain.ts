import type { TimedSweepEvent } from '../../pipeline/sweep/index.js';
import { ProgressMeter } from '../../pipeline/runs/progress-meter.js';
import type { TimedRunEvent } from '../../pipeline/run/events.js';
import { paceFacts, position, stageTime, waitingSentence } from '../renderers/sentences.js';
import { summaryFacts } from '../format.js';
import { closingText, type ClosingOptions } from './closing.js';
import { describeValues, shortNames } from '../../pipeline/sweep/names.js';
import type { SweepRenderer } from './renderer.js';
import { endSentence, retrySentence, startFacts } from './sentences.js';

const progressEverySeconds = 10;

/** Lines that stay, for logs and pipes: what the stages of each trial come to, and now and then how far they are. */
export function plainSweepRenderer(
  stdout: NodeJS.WritableStream,
  stderr: NodeJS.WritableStream,
  closing: ClosingOptions,
  clock: () => number = () => performance.now() / 1000,
): SweepRenderer {
  const names = shortNames(closing.keys);
  const labels = new Map<string, string>();
  const meters = new Map<string, { meter: ProgressMeter; told: number }>();
  const line = (text: string): void => {
    stdout.write(`${text}\n`);
  };

  const showRunEvent = (trial: string, event: TimedRunEvent): void => {
    switch (event.type) {
      case 'stage-waiting':
        line(`${trial} ${event.stage}: ${waitingSentence(event)}`);
        break;
      case 'stage-started':
        meters.set(trial, { meter: new ProgressMeter(), told: clock() });
        line(`${trial} ${event.stage}: ${event.resumed ? 'continues' : 'starts'}`);
        break;
      case 'stage-finished':
        line(
          `${trial} ${event.stage}: ${[`finished in ${stageTime(event)}`, ...summaryFacts(event.summary)].join(', ')}`,
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
        case 'trial-ended':
          line(`${event.result.trial}: ${endSentence(event)}`);
          break;
        case 'sweep-finished':
        case 'sweep-failed':
        case 'sweep-interrupted':
          stdout.write(closingText(event, closing));
          break;
      }
    },
    stopping: () => {
      stderr.write('Stopping the trials; a second Ctrl-C ends them at once.\n');
    },
    end: () => undefined,
  };
}
