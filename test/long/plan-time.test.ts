import { cp, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { cacheWithoutRates } from '../support/cache-without-rates.js';
import { startPipeline, tinyPipeline } from '../support/tiny-pipeline.js';

/** Stages whose time depends on more than a network and its inputs: other networks, ways back, workers. */
const others = `extends: tiny.yaml
name: others
stages:
  coder: { uses: autoencoder, weights: emoji/autoencoder }
  taken: { uses: pretrained, path: emoji/mediators-4 }
  taught: { uses: train, images: images, autoencoder: autoencoder, steps: 20, globalBatch: 4, model: { hiddenSize: 32, depth: 1, heads: 2, patchSize: 1, mediators: 0 }, teacher: { model: train, guidanceScale: 2 }, until: { step: 5, timesteps: uniform }, evaluate: { everySteps: 8, autoencoder: autoencoder, reference: images, count: 8, steps: 3 } }
  back: { uses: sample, model: train, autoencoder: autoencoder, reverse: latents, count: 4, sampler: { kind: ode, method: heun, steps: 6 } }
  likely: { uses: sample, model: taken, autoencoder: coder, likelihood: true, count: 4, sampler: { kind: ode, method: heun, steps: 6 } }
  cached: { uses: sample, model: taken, autoencoder: coder, count: 4, sampler: { kind: ode, method: euler, steps: 30, featureCache: { interval: 3 } } }
  adaptive: { uses: sample, model: train, autoencoder: autoencoder, count: 4, sampler: { kind: ode, method: dopri5, steps: 2 } }
  shared: { uses: train, latents: latents, steps: 20, globalBatch: 4, model: { hiddenSize: 32, depth: 1, heads: 2, patchSize: 1, mediators: 0 }, runtime: { workers: 2 } }
`;

interface Planned {
  readonly stage: string;
  readonly expectedSeconds: readonly [number, number] | null;
  readonly expectedFrom: { readonly measuredAt?: string; readonly unknown?: string; readonly quick?: true };
}

it('measures trainings with other networks, workers, ways back and predicted features, and a method of its own steps once there is a model', async () => {
  const folder = await tinyPipeline();
  const cache = await cacheWithoutRates(folder);
  const pipeline = (...args: string[]) => startPipeline(folder, args, 'runs', cache);
  const plan = async (...args: string[]) => {
    const { stdout } = await pipeline('plan', 'others.yaml', '--json', '--time', ...args);
    return (JSON.parse(stdout) as { stages: readonly Planned[] }).stages;
  };
  try {
    await cp(resolve('pipelines/emoji-64'), join(folder, 'emoji'), { recursive: true });
    await writeFile(join(folder, 'others.yaml'), others);
    for (const { stage, expectedSeconds, expectedFrom } of await plan()) {
      if (stage === 'adaptive') {
        // How many steps its paths need is known once there is a model that draws.
        expect(expectedSeconds).toBeNull();
        expect(expectedFrom.unknown).toContain('and train has not run');
        continue;
      }
      if (stage === 'report') continue;
      expect([stage, expectedFrom]).toEqual([
        stage,
        {
          measuredAt: expect.stringMatching(/^\d{4}-/) as string,
          othersShare: expect.any(Number) as number,
        },
      ]);
      expect(expectedSeconds![0]).toBeGreaterThan(0);
    }
    const run = await pipeline('run', 'tiny.yaml', '--until', 'train');
    expect([run.stderr, run.exitCode]).toEqual(['', 0]);
    const adaptive = (await plan('--until', 'adaptive')).find(({ stage }) => stage === 'adaptive')!;
    expect(adaptive.expectedFrom.measuredAt).toMatch(/^\d{4}-/);
    expect(adaptive.expectedSeconds![0]).toBeGreaterThan(0);
  } finally {
    await rm(folder, { recursive: true });
  }
});
