import { mkdir, readdir, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { cacheFolder } from '../../../src/tensorflow/install/platform.js';
import { startPipeline, tinyPipeline } from '../../support/tiny-pipeline.js';

interface PlannedTime {
  readonly stage: string;
  readonly expectedSeconds: readonly [number, number] | null;
  readonly expectedFrom: { readonly records?: number; readonly measuredAt?: string } | null;
}

it('measures the time of stages that have never run, then takes it from what they took', async () => {
  const folder = await tinyPipeline();
  const cache = { PIPELINE_CACHE: join(folder, 'cache') };
  // The user's cache without the speeds that it keeps.
  await mkdir(cache.PIPELINE_CACHE);
  for (const name of await readdir(cacheFolder()))
    if (name !== 'rates') await symlink(join(cacheFolder(), name), join(cache.PIPELINE_CACHE, name));
  const pipeline = (...args: string[]) => startPipeline(folder, args, 'runs', cache);
  const plan = async (...args: string[]) =>
    new Map(
      (
        JSON.parse((await pipeline('plan', 'tiny.yaml', '--json', ...args)).stdout) as {
          stages: readonly PlannedTime[];
        }
      ).stages.map((stage) => [stage.stage, stage]),
    );
  try {
    const unknown = await pipeline('plan', 'tiny.yaml');
    expect(unknown.stdout).toContain('Time: not known');
    expect(unknown.stdout).toContain('--time');

    const measured = await plan('--time');
    const kinds = ['images', 'autoencoder', 'latents', 'train', 'sample'];
    for (const id of kinds) {
      const { expectedSeconds, expectedFrom } = measured.get(id)!;
      expect([id, expectedFrom?.measuredAt]).toEqual([id, expect.stringMatching(/^\d{4}-/)]);
      expect(expectedSeconds![0]).toBeGreaterThan(0);
      expect(expectedSeconds![1]).toBeGreaterThan(expectedSeconds![0]);
    }
    // Twice the steps take longer, but what sets them up is done once.
    const twice = await plan('--set', 'stages.train.steps=4000');
    const [once] = measured.get('train')!.expectedSeconds!;
    expect(twice.get('train')!.expectedSeconds![0]).toBeGreaterThan(once);
    expect(twice.get('train')!.expectedSeconds![0]).toBeLessThan(100 * once);

    const run = await pipeline('run', 'tiny.yaml');
    expect([run.stderr, run.exitCode]).toEqual(['', 0]);
    const after = await plan('--set', 'seed=9', '--set', 'stages.train.steps=80');
    expect(after.get('train')!.expectedFrom).toEqual({ records: 1 });
    expect(after.get('sample')!.expectedFrom).toEqual({ records: 1 });
  } finally {
    await rm(folder, { recursive: true });
  }
}, 240_000);
