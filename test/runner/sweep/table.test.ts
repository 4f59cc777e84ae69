import { expect, it } from 'vitest';
import { closingText } from '../../../src/cli/sweep/closing.js';
import { asCsv, parseSort, sortResults } from '../../../src/runner/sweep/results.js';
import type { TrialResult } from '../../../src/runner/sweep/trial.js';

const result = (trial: string, value: string, metrics: Record<string, number>): TrialResult => ({
  trial,
  status: 'finished',
  values: { 'stages.report.title': value },
  metrics,
  seconds: 1.25,
  pages: [],
});
const keys = ['stages.report.title'];
const results = [
  result('a', 'x, "y"', { 'train.loss': 3 }),
  result('b', 'two\nlines', {}),
  result('c', 'plain', { 'train.loss': 1, 'evaluate.fid': 10 }),
];
const order = (sort: string): string =>
  sortResults(results, keys, parseSort(sort))
    .map(({ trial }) => trial)
    .join('');

it('sorts by metric, key or time, those without a value last', () => {
  expect([order('train.loss'), order('-loss'), order('title'), order('fid'), order('seconds')]).toEqual([
    'cab',
    'acb',
    'cba',
    'cab',
    'abc',
  ]);
  expect(() => order('train.los')).toThrow('The table has no column train.los.');
});

it('writes what a spreadsheet reads: quotes doubled, fields with commas and line breaks in quotes', () => {
  expect(asCsv(results, keys))
    .toBe(`trial,status,stages.report.title,train.loss,evaluate.fid,seconds,run,failure
a,finished,"x, ""y""",3,,1.3,,
b,finished,"two
lines",,,1.3,,
c,finished,plain,1,10,1.3,,
`);
});

it('keeps the figure by which trials are judged in a narrow terminal, marks the best, and puts memory last', () => {
  const trials = [2, 1, 3].map((loss, i) =>
    result(`trial-${i}`, 'x', {
      'train.peakMemoryMegabytes': 900,
      'train.gradientNorm': 5,
      'train.loss': loss,
      'train.steps': 100 + i,
    }),
  );
  const text = (width: number, sort?: string, alike = true): string[] =>
    closingText(
      {
        ...{
          type: 'sweep-finished',
          seconds: 1,
          workedSeconds: 1,
          results: trials,
          csv: '/a.csv',
          json: '/a.json',
        },
        counts: { finished: 3, cached: 0, failed: 0, stopped: 0, timedOut: 0, left: 0 },
      },
      {
        ...{ keys, shared: new Set<string>(), sort, width, color: false },
        amounts: ['train.steps'],
        apart: {
          'train.gradientNorm': ['stages.train.gradientClip', 'stages.train.timesteps'],
          'evaluate.fid': ['stages.evaluate.reference'],
          ...(!alike && { 'train.loss': ['stages.train.latents'] }),
        },
        headlines: [
          { name: 'evaluate.fid', better: 'less' },
          { name: 'train.loss', better: 'less' },
        ],
      },
    )
      .split('\n')
      .map((line) => line.replace(/ +/g, ' ').trimEnd());
  expect(text(Infinity).slice(1, 5)).toEqual([
    'TRIAL TITLE TRAIN LOSS STATE TIME TRAIN GRADIENT NORM TRAIN PEAK MEMORY',
    'trial-0 x 2 finished 1.3 s 5 900 MB',
    'trial-1 x ★ 1 finished 1.3 s 5 900 MB',
    'trial-2 x 3 finished 1.3 s 5 900 MB',
  ]);
  // Where it does not measure the same it has no star, and stands first all the same.
  expect(text(Infinity, undefined, false).slice(1, 4)).toEqual([
    'TRIAL TITLE TRAIN LOSS STATE TIME TRAIN GRADIENT NORM TRAIN PEAK MEMORY',
    'trial-0 x 2 finished 1.3 s 5 900 MB',
    'trial-1 x 1 finished 1.3 s 5 900 MB',
  ]);
  // Of what trials came to alone.
  expect(text(Infinity).filter((line) => line.startsWith('Trials do not'))).toEqual([
    'Trials do not compare by train gradient norm: it measures something else where `stages.train.gradientClip` and `stages.train.timesteps` do.',
  ]);
  // Headings take several lines before a column is left out, and the memory is left out first.
  expect(text(57).slice(1, 4)).toEqual([
    ' TRAIN TRAIN',
    ' TRAIN GRADIENT PEAK',
    'TRIAL TITLE LOSS STATE TIME NORM MEMORY',
  ]);
  expect(text(50).slice(1, 4)).toEqual([' TRAIN', ' TRAIN GRADIENT', 'TRIAL TITLE LOSS STATE TIME NORM']);
  expect(text(40).slice(1, 3)).toEqual([' TRAIN', 'TRIAL TITLE LOSS STATE TIME']);
  expect(text(48, 'train.gradientNorm').slice(1, 4)).toEqual([
    ' TRAIN',
    ' GRADIENT TRAIN',
    'TRIAL TITLE NORM LOSS STATE TIME',
  ]);
});
