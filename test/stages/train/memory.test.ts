import { expect, it } from 'vitest';
import { formatBytes } from '../../../src/base/format.js';
import type { SiTConfig } from '../../../src/models/sit/config.js';
import {
  expectedMemory,
  requireTrainingMemory,
  type TrainingNeed,
} from '../../../src/stages/train/memory.js';

const model: SiTConfig = {
  ...{ latentSize: 32, channels: 4, patchSize: 2, hiddenSize: 384, depth: 12, heads: 6, classes: 1000 },
  ...{ mediators: new Array<number>(12).fill(64), labelDropout: 0.1 },
};
const config = { accumulate: 2, ema: 0.9999, recompute: false };
const gpu = { name: 'A GPU', bytes: 8e9, compiled: true, halves: true };
const onProcessor: TrainingNeed = { config, model, share: 64, workers: 1, readingBytes: 0 };
const onGpu: TrainingNeed = { ...onProcessor, gpu };
const with_ = (need: TrainingNeed, change: Partial<TrainingNeed['config']>) =>
  expectedMemory({ ...need, config: { ...need.config, ...change } });

/** The error of a training for which there are so many bytes. */
function refusal(need: TrainingNeed, available: number): { code: string; message: string; remedy: string } {
  try {
    requireTrainingMemory(need, available);
  } catch (error) {
    return error as ReturnType<typeof refusal>;
  }
  throw new Error('It was not refused.');
}

it.each([
  ['processor', onProcessor, 'memory', /there are [\d.]+ GB\.$/],
  ['GPU', onGpu, 'GPU memory', /there are [\d.]+ GB for it on A GPU\.$/],
])(
  'refuses a training that needs more memory than the %s has, naming both numbers',
  (_, need, memory, there) => {
    const needed = expectedMemory(need);
    expect(() => {
      requireTrainingMemory(need, needed);
    }).not.toThrow();
    const { code, message } = refusal(need, needed - 1);
    expect(code).toBe('memory-does-not-suffice');
    expect(message).toContain(`needs about ${formatBytes(needed)} of ${memory} for 32 samples at once`);
    expect(message).toMatch(there);
  },
);

it.each([onProcessor, onGpu])('proposes what fits, and how much that needs', (need) => {
  const parts = (accumulate: number) => with_(need, { accumulate });
  const anew = with_(need, { recompute: true });
  // The fewest parts that fit, among those that divide a worker's share.
  expect(refusal(need, parts(8)).remedy).toContain(`\`accumulate: 8\` (about ${formatBytes(parts(8))})`);
  expect(refusal(need, parts(8) - 1).remedy).toContain('`accumulate: 16`');
  expect(refusal(need, Math.max(anew, parts(8))).remedy).toContain(
    `, or \`recompute: true\` (about ${formatBytes(anew)})`,
  );
  expect(refusal({ ...need, config: { ...config, recompute: true } }, anew - 1).remedy).not.toContain(
    'recompute',
  );
  const least = with_(need, { accumulate: 64, recompute: true });
  expect(refusal(need, least).remedy).toContain('`accumulate: 64` with `recompute: true`');
  expect(refusal(need, least - 1).remedy).toMatch(/^Even one sample at a time .* smaller model\.$/);
});

it('expects less where fewer samples are computed at once, or blocks anew', () => {
  for (const need of [onProcessor, onGpu]) {
    expect(with_(need, { accumulate: 4 })).toBeLessThan(expectedMemory(need));
    expect(with_(need, { recompute: true })).toBeLessThan(expectedMemory(need));
  }
});

it('counts what encodes images beside the training', () => {
  for (const need of [onProcessor, onGpu])
    expect(expectedMemory({ ...need, readingBytes: 1e9 }) - expectedMemory(need)).toBeCloseTo(1e9, 3);
});

it('counts what Muon adds to a training of SiT-S/2, as it was measured', () => {
  const need = { ...onProcessor, share: 8, config: { ...config, accumulate: 1 } };
  const optimizer = { kind: 'muon', momentum: 0.95, scale: 'matchRmsAdamW' } as const;
  // Peaks of 2,157 and 1,980 MB, of steps of batches of 8 on one core: the estimate may be a tenth off.
  const added = with_(need, { optimizer }) - expectedMemory(need);
  expect(Math.abs(added / 177e6 - 1)).toBeLessThan(0.1);
});
