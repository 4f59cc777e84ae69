import { afterAll, beforeAll, expect, it } from 'vitest';
import type { SampleConfig } from '../../../src/generated/index.js';
import { computeBytes } from '../../../src/models/autoencoder-kl/memory.js';
import type { SiTConfig } from '../../../src/models/sit/config.js';
import { expectedMemory, requireSamplingMemory } from '../../../src/stages/sample/memory.js';
import { samplePlan } from '../../../src/stages/sample/plan.js';
import { SampleBench } from '../../support/sample-stage.js';

const model: SiTConfig = {
  ...{ latentSize: 32, channels: 4, patchSize: 2, hiddenSize: 384, depth: 12, heads: 6, classes: 1000 },
  ...{ mediators: new Array<number>(12).fill(64), labelDropout: 0.1 },
};
const autoencoder = {
  ...{ imageChannels: 3, latentChannels: 4, layersPerBlock: 2, normGroups: 32, patchSize: 1 },
  channels: [128, 256, 512, 512],
};
const models = { phases: [model], autoencoder };
const config = {
  ...{ model: 'model' },
  ...{ count: 64, batch: 4, autoencoderMemoryMiB: 2048, likelihood: false },
  ...{ guidanceScale: 1, guidanceChannels: 3, sampler: {} },
} as SampleConfig;

let bench: SampleBench;
beforeAll(async () => {
  bench = await SampleBench.open();
});
afterAll(() => bench.close());

it('refuses a sampling that needs more memory than there is, and says how to need less', () => {
  const needed = expectedMemory(samplePlan(config), models, 1);
  expect(() => {
    requireSamplingMemory(samplePlan(config), models, 1, undefined, needed);
  }).not.toThrow();
  expect(() => {
    requireSamplingMemory(samplePlan(config), models, 1, undefined, needed - 1);
  }).toThrow(
    expect.objectContaining({
      code: 'memory-does-not-suffice',
      message: expect.stringMatching(/^This sampling .* for 4 samples at once/) as string,
      remedy: expect.stringMatching(/`batch`, now 4.*`autoencoderMemoryMiB`, now 2048/) as string,
    }),
  );
});

it('counts the pictures that are decoded at once, within their bound', () => {
  const one = computeBytes(autoencoder, 'decode', 32 ** 2);
  const decoding = (changes: Partial<SampleConfig>) =>
    expectedMemory(samplePlan({ ...config, ...changes }), models, 1) -
    expectedMemory(
      samplePlan({ ...config, ...changes, autoencoderMemoryMiB: Math.ceil(one / 2 ** 20) }),
      models,
      1,
    );
  expect(decoding({ batch: 4 })).toBeCloseTo(3 * one, 0);
  // Seven fit into 2 GiB, and would be filled up to eight.
  expect(decoding({ batch: 16 })).toBeCloseTo(5 * one, 0);
});

it('knows that a worker with a single batch decodes when nothing is drawn', () => {
  expect(expectedMemory(samplePlan(config), models, 16)).toBeLessThan(
    expectedMemory(samplePlan(config), models, 15),
  );
});

it('refuses before any work, and tells what it expected beside what it took', async () => {
  await bench.addModel('small', 1);
  const sampler = { kind: 'ode', method: 'euler', steps: 3 };
  const { summary } = await bench.run({ model: 'small', sampler, count: 4 });
  const { expectedMemoryMegabytes, peakMemoryMegabytes } = summary as Record<string, number>;
  // A process of tests holds more than one that samples, and the constants are another machine's.
  expect(expectedMemoryMegabytes! / peakMemoryMegabytes!).toBeGreaterThan(0.4);
  expect(expectedMemoryMegabytes! / peakMemoryMegabytes!).toBeLessThan(1.6);

  // 10⁸ samples at once need terabytes: refused before weights are read, as there are none.
  await bench.addModel('weightless', 2, {}, { weights: { raw: 'none', ema: 'none' } });
  const many = bench.run({ model: 'weightless', sampler, count: 1e8, batch: 1e8 });
  await expect(many).rejects.toThrow(expect.objectContaining({ code: 'memory-does-not-suffice' }));
});
