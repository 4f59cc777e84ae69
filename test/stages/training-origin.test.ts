import { describe, expect, it } from 'vitest';
import type { Origin } from '../../src/runner/fingerprint/origin.js';
import type { StageContext } from '../../src/runner/stage.js';
import { madeFrom, refuseForeign } from '../../src/stages/training/files.js';

const origin: Origin = {
  kind: 'train',
  codeVersion: 1,
  seed: 3,
  precision: 'float32',
  config: { latents: 'latents', model: { mediators: 4 }, learningRate: 0.01, logEverySteps: 10 },
  withoutEffect: [['logEverySteps']],
  references: [{ path: ['latents'], stage: 'latents', fingerprint: 'abc' }],
  inputs: [],
};
const context = (changes: Partial<Origin> = {}) =>
  ({ id: 'train', origin: { ...origin, ...changes } }) as StageContext;
const checkpoint = { path: 'step-000000008', step: 8, extra: {}, made: madeFrom(context()) };

describe('a checkpoint of another training', () => {
  it('is refused with every key that differs', async () => {
    const config = { latents: 'latents', model: { mediators: 16 }, learningRate: 0.02, logEverySteps: 10 };
    const references = [{ path: ['latents'], stage: 'latents', fingerprint: 'other' }];
    await expect(refuseForeign(checkpoint, context({ seed: 4, config, references }))).rejects.toMatchObject({
      code: 'checkpoint-of-another-training',
      message:
        'step-000000008 belongs to a training with another configuration (there → here):' +
        '\n  seed: 3 → 4' +
        '\n  upstream: latents changed' +
        '\n  stages.train.model.mediators: 4 → 16' +
        '\n  stages.train.learningRate: 0.01 → 0.02',
    });
  });

  it('is refused where another engine, or another version of it, began it', async () => {
    const made = madeFrom(context({ engine: 'wasm 4.22.0' }));
    await expect(
      refuseForeign({ ...checkpoint, made }, context({ engine: 'tensorflow 2.21.0' })),
    ).rejects.toMatchObject({
      code: 'checkpoint-of-another-training',
      message: expect.stringContaining('engine: wasm 4.22.0 → tensorflow 2.21.0') as string,
    });
  });

  it('is not seen in one of the same training, whatever keys without effect say', async () => {
    await refuseForeign(checkpoint, context());
    await refuseForeign(checkpoint, context({ config: { ...(origin.config as object), logEverySteps: 20 } }));
  });
});
