import { beforeAll, expect, it } from 'vitest';
import { nativeBackend, runEagerly, tf } from '../../src/tensorflow/index.js';
import { quartileSums, withQuartiles } from '../../src/training/diffusion-loss.js';

beforeAll(() => {
  nativeBackend();
});

const times = [0, 0.1, 0.25, 0.3, 0.49, 0.75, 0.9, 1];
const losses = [1, 2, 3, 5, 7, 11, 13, 17];

function sums(from: number, to: number): Record<string, number> {
  const results = runEagerly(
    () => quartileSums(tf.tensor1d(losses.slice(from, to)), tf.tensor1d(times.slice(from, to))),
    {},
  );
  return Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, Number(data[0])]));
}

const expected = { lossQuartile1: 1.5, lossQuartile2: 5, lossQuartile4: (11 + 13 + 17) / 3 };

it('the loss of each quarter of the time is the mean over its samples; a quarter without any has none', () => {
  const found = withQuartiles({ loss: 7.375, ...sums(0, 8) });
  expect(Object.keys(found)).toEqual(['loss', 'lossQuartile1', 'lossQuartile2', 'lossQuartile4']);
  for (const [name, value] of Object.entries(expected)) expect(found[name]).toBeCloseTo(value, 5);
});

it('and the same from means over equal parts, as of workers and steps', () => {
  const [first, second] = [sums(0, 4), sums(4, 8)];
  const means = Object.fromEntries(
    Object.entries(first).map(([name, value]) => [name, (value + second[name]!) / 2]),
  );
  for (const [name, value] of Object.entries(expected))
    expect(withQuartiles(means)[name]).toBeCloseTo(value, 5);
});
