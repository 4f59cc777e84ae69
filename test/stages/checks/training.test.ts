import { expect, it } from 'vitest';
import { messages, pipelineText } from '../../runner/pipelines.js';

const model = 'model: { name: SiT-S/2, mediators: 4 }';
const withTrain = (keys: string, sample?: string) =>
  pipelineText({
    train: `{ uses: train, latents: latents, steps: 10, ${model}, ${keys} }`,
    sample,
    report: undefined,
  });

it('a batch that does not divide into its parts', async () => {
  expect(await messages(withTrain('globalBatch: 12, accumulate: 3'))).toBe('');
  const found = await messages(withTrain('globalBatch: 10, accumulate: 3'));
  expect(found).toContain(
    'error size-not-divisible: A share of 10 latents a worker cannot be divided into `accumulate: 3` equal parts.',
  );
  expect(found).toContain('The nearest are 9 and 12.');
});

it('an average that the training does not keep', async () => {
  const sample = (weights: string) =>
    `{ uses: sample, model: train, autoencoder: autoencoder, count: 4, weights: ${weights} }`;
  const averages = 'ema: [0.999, 0.9]';
  for (const weights of ['raw', 'ema', 'ema-0.999', 'ema-0.9'])
    expect(await messages(withTrain(averages, sample(weights))), weights).toBe('');
  const found = await messages(withTrain(averages, sample('ema-0.99')));
  expect(found).toContain('error average-not-kept: `train` keeps no average `ema-0.99`.');
  expect(found).toContain(
    'Use one of `raw`, `ema`, `ema-0.999`, `ema-0.9`, or add the decay to `ema` there.',
  );
  expect(await messages(withTrain(averages, sample('average')))).toContain('weights');
  expect(await messages(withTrain('ema: [0.9, 0.9]'))).not.toBe('');
});
