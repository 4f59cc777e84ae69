import { expect, it } from 'vitest';
import type { TrialResult } from '../../../src/runner/sweep/events.js';
import { asCsv, parseSort, sortResults } from '../../../src/runner/sweep/results.js';

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
