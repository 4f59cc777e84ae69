import { inWords } from '../base/format.js';
import { figureOf, type SweepResults, stageOf } from '../runner/sweep/results.js';
import { figure } from './figures.js';

/** Sentences on why no trial is marked as the best by a metric that some have. */
export function apartSentences({
  apart = {},
  trials,
}: Pick<SweepResults, 'apart' | 'trials'>): readonly string[] {
  return Object.entries(apart).flatMap(([name, keys]) =>
    trials.some(({ metrics }) => name in metrics)
      ? [
          `Trials do not compare by ${stageOf(name)} ${figure(figureOf(name), 0).label}: it measures something else where ${inWords(keys.map((key) => `\`${key}\``))} ${keys.length > 1 ? 'do' : 'does'}.`,
        ]
      : [],
  );
}
