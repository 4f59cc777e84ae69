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

  it('is the same to a rounding with gated layers, and none for rotary positions', () => {
    const { multiplyAccumulates, activations } = sitCost(small(4));
    const gated = sitCost({ ...small(4), swiGlu: true, rope: 16 });
    expect(Math.abs(gated.multiplyAccumulates / multiplyAccumulates - 1)).toBeLessThan(1e-3);
    expect(Math.abs(gated.activations / activations - 1)).toBeLessThan(1e-3);
  });

  it('has a number more a block for mixed values, and keeps their difference', () => {
    const [plain, mixed] = [sitCost(small(4)), sitCost({ ...small(4), valueResidual: true })];
    expect(mixed.parameters - plain.parameters).toBe(11);
    expect(mixed.multiplyAccumulates).toBe(plain.multiplyAccumulates);
    expect(mixed.activations - plain.activations).toBe(12 * 256 * 384);
    // The first block's values, and three blocks at once.
    expect(mixed.recomputedActivations - plain.recomputedActivations).toBe(4 * 256 * 384);
  });

  it('counts the parameters of LightningDiT-B/1, which counts positions', () => {
    // 130,580,800 in LightningDiT's own code: input 16, patches of 1, 32 channels and their variance, 1000 classes; with 256 × 768 positions.
    const config = { ...small(0), latentSize: 16, patchSize: 1, channels: 32, hiddenSize: 768, heads: 12 };
    const { parameters } = sitCost({ ...config, rmsNorm: true, swiGlu: true, rope: 16 });
    expect(parameters + 256 * 768).toBe(130_580_800);
  });

  it('counts the convolution that mediators bring where full attention has it too', () => {
    const control = sitCost({ ...small(0), mediatorExtras: true }).multiplyAccumulates;
    // Twelve blocks, 256 tokens, 384 channels, 9 taps.
    expect(control - sitCost(small(0)).multiplyAccumulates).toBe(12 * 256 * 384 * 9);
  });

  it('counts the parameters of the DiT-S/2 that it is without mediators', () => {
    // 32.96 million in DiT's table, which counts the fixed position embedding (256 × 384) as well.
    expect(sitCost(small(0)).parameters + 256 * 384).toBeCloseTo(32.96e6, -5);
  });

  it('is less of tokens that bypass blocks, all but the convolution', () => {
    const route = { from: 2, to: 9, kept: 128 };
    const [whole, routed] = [sitCost(small(64)), sitCost(small(64), route)];
    // Seven blocks of 128 tokens fewer: twelve products by the width each, four scores with 64 mediators, and no convolution.
    const fewer = 7 * 128 * 384 * (12 * 384 + 4 * 64);
    expect(whole.multiplyAccumulates - routed.multiplyAccumulates).toBe(fewer);
    expect(routed.parameters).toBe(whole.parameters);
    expect(routed.activations / whole.activations).toBeCloseTo(1 - 7 / 24, 6);
    expect(sitCost(small(64), { ...route, kept: 256 })).toEqual(whole);
  });
});
