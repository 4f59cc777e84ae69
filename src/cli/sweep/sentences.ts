import type { SweepEvent } from '../../pipeline/sweep/index.js';
import { counted, formatDuration } from '../format.js';
import { shortPath } from '../paths.js';

type Of<Type extends SweepEvent['type']> = Extract<SweepEvent, { type: Type }>;

/** Such as `4 trials, 1 cached, 2 at once, runs/mine/sweep`. */
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

export function retrySentence({ attempt, attempts, pauseSeconds, failure }: Of<'trial-retrying'>): string {
  const where = failure.stage === undefined ? '' : `stage ${failure.stage}: `;
  return `failed (${where}${failure.message}); attempt ${attempt} of ${attempts} in ${formatDuration(pauseSeconds)}`;
}

export function endSentence({ result, seconds }: Of<'trial-ended'>): string {
  const { status, failure } = result;
  if (status === 'finished') return `finished in ${formatDuration(seconds)}`;
  if (failure === undefined) return status;
  const where = failure.stage === undefined || status === 'skipped' ? '' : `stage ${failure.stage}: `;
  return `${status}: ${where}${failure.message}`;
}
