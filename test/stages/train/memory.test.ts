import { expect, it } from 'vitest';
import type { TrainConfig } from '../../../src/generated/index.js';
import type { SiTConfig } from '../../../src/models/sit/config.js';
import { expectedMemory, requireTrainingMemory } from '../../../src/stages/train/facts.js';

const model: SiTConfig = {
  ...{ latentSize: 32, channels: 4, patchSize: 2, hiddenSize: 384, depth: 12, heads: 6, classes: 1000 },
  ...{ mediators: new Array<number>(12).fill(64), labelDropout: 0.1 },
};
const config = { accumulate: 2, ema: 0.9999, recompute: false } as TrainConfig;

it('refuses a training that needs more memory than there is, and says how to need less', () => {
  const needed = expectedMemory(config, model, 16, 0);
  expect(() => {
    requireTrainingMemory(config, model, 16, 0, needed);
  }).not.toThrow();
  expect(() => {
    requireTrainingMemory(config, model, 16, 0, needed - 1);
  }).toThrow(
    expect.objectContaining({
      code: 'memory-does-not-suffice',
      message: expect.stringContaining('for 8 samples at once') as string,
      remedy: expect.stringMatching(/`accumulate`, now 2.*`recompute: true`/) as string,
    }),
  );
});

it('expects less where fewer samples are computed at once, or blocks anew', () => {
  const all = expectedMemory(config, model, 16, 0);
  expect(expectedMemory({ ...config, accumulate: 4 }, model, 16, 0)).toBeLessThan(all);
  expect(expectedMemory({ ...config, recompute: true }, model, 16, 0)).toBeLessThan(all);
});

it('counts what encodes images beside the training', () => {
  expect(expectedMemory(config, model, 16, 1e9) - expectedMemory(config, model, 16, 0)).toBe(1e9);
});
