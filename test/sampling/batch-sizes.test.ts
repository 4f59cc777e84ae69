import { describe, expect, it } from 'vitest';
import { BatchSizes } from '../../src/sampling/batch-sizes.js';

const sizesOf = (sizes: BatchSizes) => [
  ...new Set(Array.from({ length: sizes.most }, (_, i) => sizes.filled(i + 1))),
];

describe('sizes that batches are filled up to', () => {
  it('are a few, evenly apart', () => {
    expect(sizesOf(new BatchSizes(64, 4))).toEqual([16, 32, 48, 64]);
    expect(sizesOf(new BatchSizes(50, 4))).toEqual([13, 26, 39, 50]);
    expect(sizesOf(new BatchSizes(3, 16))).toEqual([1, 2, 3]);
    expect(sizesOf(new BatchSizes(1, 16))).toEqual([1]);
  });

  it('are never more than they are said to be', () => {
    for (let most = 1; most <= 100; most++)
      for (const choices of [1, 2, 3, 16, 32])
        expect(sizesOf(new BatchSizes(most, choices)).length).toBeLessThanOrEqual(choices);
  });

  it('are one for a short run, a third as many for a ninth of the work, and 32 at most', () => {
    // Three models of six blocks: 18 blocks that take 40 ms each where a core pair computes 75e9 a second.
    const of = (multiplyAccumulates: number) =>
      BatchSizes.worthTracing(64, { multiplyAccumulates, blocks: 18 }).choices;
    expect(of(1e9)).toBe(1);
    expect(of(54e9 * 36)).toBe(6);
    expect(of(54e9 * 4)).toBe(2);
    expect(of(1e18)).toBe(32);
  });
});
