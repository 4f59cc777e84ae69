import { afterAll, beforeAll, expect, it } from 'vitest';
import { loggedIn, TinyTrainings } from '../../support/tiny-trainings.js';

let trainings: TinyTrainings;
beforeAll(async () => {
  trainings = await TinyTrainings.open(
    'tiny-again',
    '  report: { uses: report, stages: [autoencoder] }\n',
    'images',
  );
}, 60_000);
afterAll(() => trainings.close());

// In bfloat16, sums of other batches round otherwise.
it.each([
  ['float32', 1e-4],
  ['bfloat16', 2e-2],
])(
  'two workers train an autoencoder in %s as one does',
  async (precision, tolerance) => {
    const losses: number[] = [];
    for (const workers of [1, 2]) {
      const runs = `${precision} ${workers}`;
      const settings = [`precision=${precision}`, `workers=${workers}`].map(
        (setting) => `stages.autoencoder.runtime.${setting}`,
      );
      const { exitCode, stderr, output } = await trainings.run('autoencoder', runs, settings);
      expect(exitCode, stderr).toBe(0);
      losses.push((await loggedIn<{ loss: number }>(output)).at(-1)!.loss);
    }
    const [alone, together] = losses as [number, number];
    expect(alone).toBeGreaterThan(0);
    expect(Math.abs(together / alone - 1)).toBeLessThan(tolerance);
  },
  120_000,
);
