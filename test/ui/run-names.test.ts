import { expect, it } from 'vitest';
import type { Run } from '../../src/runner/runs/run.js';
import type { Json } from '../../src/runner/stage.js';
import { runNames } from '../../src/ui/pages/comparison-page.js';

const runs = (count: number, pipeline = 'mine'): Run[] =>
  Array.from(
    { length: count },
    (_, i) => ({ id: `${pipeline}/2026-03-01T0${i}-00-00.000Z`, record: { pipeline } }) as Run,
  );

const written = { file: 'mine.yaml', line: 1, column: 1 };

const differing = (
  keys: Readonly<Record<string, readonly (Json | undefined)[]>>,
  origin: typeof written | null = written,
) =>
  Object.entries(keys).map(([key, values]) => ({
    key,
    values,
    origins: values.map(() => origin ?? undefined),
  }));

it('are what the runs were set to differently', () => {
  const differences = differing({ 'stages.train.model.mediators': [4, 16], seed: [0, 1] });
  expect(runNames(runs(2), differences)).toEqual(['mediators 4, seed 0', 'mediators 16, seed 1']);
});

it('say where a run has no such key', () => {
  const differences = differing({ 'stages.train.ema': [undefined, 0.9] });
  expect(runNames(runs(2), differences)).toEqual(['ema none', 'ema 0.9']);
});

it('are of the first keys that tell runs apart, where many differ', () => {
  const differences = differing({
    'a.path': ['x', 'x', 'y'],
    'b.same': [1, 1, 2],
    'c.steps': [10, 20, 20],
    'd.rate': [1, 2, 3],
  });
  expect(runNames(runs(3), differences)).toEqual([
    'path x, steps 10',
    'path x, steps 20',
    'path y, steps 20',
  ]);
});

it('are the times where settings tell nothing, or too much', () => {
  const times = ['2026-03-01T00-00-00', '2026-03-01T01-00-00'];
  expect(runNames(runs(2), [])).toEqual(times);
  expect(runNames(runs(2), differing({ xla: [true, false] }, null))).toEqual(times);
  expect(runNames(runs(2), differing({ path: ['a'.repeat(60), 'b'] }))).toEqual(times);
  const twice = differing({ seed: [0, 0, 1] });
  expect(runNames(runs(3), twice)[1]).toBe('2026-03-01T01-00-00');
  expect(runNames([...runs(1), ...runs(1, 'other')], [])).toEqual([
    'mine/2026-03-01T00-00-00',
    'other/2026-03-01T00-00-00',
  ]);
});
