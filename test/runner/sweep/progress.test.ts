import { describe, expect, it } from 'vitest';
import { SweepProgress, workTime } from '../../../src/runner/sweep/progress.js';
import type { TrialOutput, TrialResult } from '../../../src/runner/sweep/trial.js';

const trial = (own: string, seconds?: { data: number; train: number }): Record<string, TrialOutput> => ({
  data: { recipe: 'data', ...(seconds && { seconds: seconds.data }) },
  train: { recipe: own, ...(seconds && { seconds: seconds.train }) },
});

describe('the progress of a sweep', () => {
  it('counts what trials share once, by the time that it takes, and tells when all is done', () => {
    const progress = new SweepProgress([trial('a'), trial('b')]);
    expect(progress.whole).toEqual({ share: 0 });
    progress.finish('data', 10);
    progress.finish('a', 30);
    // b takes as long as a: 10 + 30 of 70 s are done.
    expect(progress.whole.share).toBeCloseTo(40 / 70, 12);
    expect(progress.whole.secondsLeft).toBe(30);
    const at = (done: number) => ({ type: 'progress', done, total: 100, unit: 'steps' }) as const;
    progress.advance('b', at(0), 0);
    progress.advance('b', at(50), 20);
    // Half of b is done, and its own pace says more than what a took: 50 of 100 in 20 s.
    expect(progress.whole).toEqual({ share: 55 / 70, secondsLeft: 20 });
    progress.finish('b', 40);
    expect(progress.whole).toEqual({ share: 1, secondsLeft: 0 });
  });

  it('knows from earlier records what has not been made yet, and shares the rest out', () => {
    const progress = new SweepProgress([trial('a'), trial('b')], 2);
    progress.expect('data', 10);
    progress.expect('a', 40);
    expect(progress.whole.secondsLeft).toBeUndefined();
    progress.expect('b', 50);
    expect(progress.whole).toEqual({ share: 0, secondsLeft: 50 });
  });
});

describe('the time of a sweep', () => {
  const result = (outputs: TrialResult['outputs']): TrialResult => ({
    ...{ trial: '', status: 'finished', values: {}, metrics: {}, seconds: 0, pages: [] },
    ...(outputs && { outputs }),
  });

  it('is that of each output once, with that of what all trials share', () => {
    const [a, b] = [trial('a', { data: 10, train: 30 }), trial('b', { data: 10, train: 40 })];
    expect(workTime([result(a), result(b)])).toEqual({ seconds: 80, sharedSeconds: 10 });
    expect(workTime([result(a), result(undefined)])).toBeUndefined();
  });
});
