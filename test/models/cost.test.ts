import { describe, expect, it } from 'vitest';
import { sitCost } from '../../src/models/sit/cost.js';
import { small } from './sit/small.js';

describe('cost of SiT-S/2 at 256 px', () => {
  // The figures of the paper's tables, rounded there to 0.01; counters differ in what small parts they leave out.
  it.each([
    [0, 6.06],
    [4, 5.49],
    [16, 5.55],
    [64, 5.78],
  ])('with %i mediators is %f GFLOPs', (mediators, expected) => {
    expect(Math.abs(sitCost(small(mediators)).multiplyAccumulates / 1e9 - expected)).toBeLessThan(0.02);
  });

  it('counts the parameters of the DiT-S/2 that it is without mediators', () => {
    // 32.96 million in DiT's table, which counts the fixed position embedding (256 × 384) as well.
    expect(sitCost(small(0)).parameters + 256 * 384).toBeCloseTo(32.96e6, -5);
  });
});
