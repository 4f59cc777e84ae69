import { expect, it } from 'vitest';
import { type FoundModel, mustAgree } from '../../../src/stages/sample/models.js';

const model = (stage: string, classes: readonly string[]): FoundModel => ({
  stage,
  directory: '',
  saved: {
    format: 'sit-1',
    config: {
      ...{ latentSize: 4, channels: 4, patchSize: 2, hiddenSize: 8, depth: 1, heads: 1, mediators: [0] },
      ...{ classes: classes.length, labelDropout: 0.1 },
    },
    interpolant: 'linear',
    prediction: 'velocity',
    normalization: { mean: [0, 0, 0, 0], std: [1, 1, 1, 1] },
    classes,
    steps: 1,
    weights: { raw: 'raw', ema: 'ema' },
  },
});

it('models that draw one sample know the same classes in the same order', () => {
  const first = model('first', ['cat', 'dog']);
  expect(() => {
    mustAgree(first, model('second', ['cat', 'dog']));
  }).not.toThrow();
  expect(() => {
    mustAgree(first, model('second', ['dog', 'cat']));
  }).toThrow(
    expect.objectContaining({
      code: 'model-mismatch',
      message:
        'Models that share a sample need the same classes in the same order; class 0 of first is cat, of second dog.',
    }),
  );
});
