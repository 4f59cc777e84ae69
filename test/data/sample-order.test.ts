import { describe, expect, it } from 'vitest';
import { balancedOrder, type SampleOrder, shuffledOrder } from '../../src/data/sample-order.js';

const draws = (order: SampleOrder, from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, i) => order.at(from + i).index);
const counts = (values: readonly number[]): Map<number, number> => {
  const of = new Map<number, number>();
  for (const value of values) of.set(value, (of.get(value) ?? 0) + 1);
  return of;
};
const sorted = (values: readonly number[]) => [...values].sort((a, b) => a - b);

/** Ninety of class 4, nine of class 0, one of class 7, mixed. */
const labels = Int32Array.from({ length: 100 }, (_, i) => (i === 50 ? 7 : i % 11 === 3 ? 0 : 4));
const members = (label: number) => [...labels.keys()].filter((i) => labels[i] === label);

describe('the order in which training sees samples', () => {
  it('shuffled: each sample once an epoch, in another order each', () => {
    const order = shuffledOrder(1, 20);
    const epochs = [0, 1, 2].map((epoch) => draws(order, 20 * epoch, 20 * (epoch + 1)));
    for (const epoch of epochs) expect(sorted(epoch)).toEqual([...Array(20).keys()]);
    expect(new Set(epochs.map(String)).size).toBe(3);
  });

  it('balanced: of any turns in a row, each class has had equally many', () => {
    const order = balancedOrder(1, labels);
    const classes = draws(order, 0, 3 * 200).map((index) => labels[index]!);
    expect([...counts(classes).values()]).toEqual([200, 200, 200]);
    for (let turn = 0; turn < 200; turn++)
      expect(sorted(classes.slice(3 * turn, 3 * turn + 3))).toEqual([0, 4, 7]);
  });

  it('balanced: within a class each sample once before any comes again, and times of n turns and n members', () => {
    const order = balancedOrder(1, labels);
    const seen = draws(order, 0, 3 * 200);
    for (const label of [0, 4, 7]) {
      const all = members(label);
      const own = seen.filter((index) => labels[index] === label);
      for (let round = 0; (round + 1) * all.length <= own.length; round++)
        expect(sorted(own.slice(round * all.length, (round + 1) * all.length))).toEqual(all);
      // 200 turns of n members: each has been seen ⌊200/n⌋ or ⌈200/n⌉ times.
      for (const times of counts(own).values())
        expect([Math.floor(200 / all.length), Math.ceil(200 / all.length)]).toContain(times);
    }
  });

  it('balanced: classes do not always take turns in one order', () => {
    const order = balancedOrder(1, labels);
    const turns = Array.from({ length: 60 }, (_, turn) =>
      draws(order, 3 * turn, 3 * turn + 3)
        .map((index) => labels[index]!)
        .join(),
    );
    // All 6 orders of 3 classes in 60 turns: one is missing with a chance of 6 · (5/6)^60, 1 in 9,000, for a seed.
    expect(new Set(turns).size).toBe(6);
  });

  it.each([
    ['shuffled', () => shuffledOrder(3, 50)],
    ['balanced', () => balancedOrder(3, labels)],
  ])('%s is a function of the position: whoever begins in the middle sees the same', (_, make) => {
    const whole = Array.from({ length: 300 }, (_, i) => i);
    const order = make();
    const all = whole.map((position) => order.at(position));
    for (const from of [1, 49, 50, 51, 137]) {
      const resumed = make();
      expect(whole.slice(from).map((position) => resumed.at(position))).toEqual(all.slice(from));
    }
    expect(Array.from({ length: 300 }, (_, i) => make().at(299 - i))).toEqual(all.toReversed());
  });

  it('mirrors about half of the draws, and depends on the seed', () => {
    const order = shuffledOrder(1, 1000);
    const flipped = Array.from({ length: 4000 }, (_, i) => order.at(i)).filter((draw) => draw.flipped).length;
    // Six standard deviations of 4,000 fair coins.
    expect(Math.abs(flipped - 2000)).toBeLessThan(6 * Math.sqrt(1000));
    expect(draws(order, 0, 50)).not.toEqual(draws(shuffledOrder(2, 1000), 0, 50));
    expect(draws(balancedOrder(1, labels), 0, 50)).not.toEqual(draws(balancedOrder(2, labels), 0, 50));
  });
});
