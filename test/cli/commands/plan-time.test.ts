import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { sealJson, unsealJson } from '../../../src/base/sealed.js';
import { stageRegistry } from '../../../src/stages/registry.js';
import { cacheWithoutRates } from '../../support/cache-without-rates.js';
import { startPipeline, tinyPipeline } from '../../support/tiny-pipeline.js';

interface PlannedTime {
  readonly stage: string;
  readonly kind: string;
  readonly expectedSeconds: readonly [number, number] | null;
  readonly expectedFrom: {
    readonly records?: number;
    readonly measuredAt?: string;
    readonly quick?: true;
  } | null;
}

/** With the tiny pipeline, stages of every kind, none of which has a model to start from that was made before. */
const everyKind = `extends: tiny.yaml
name: every
stages:
  coder: { uses: autoencoder, weights: emoji/autoencoder }
  taken: { uses: pretrained, path: emoji/mediators-4 }
  turns: { uses: sample, phases: [{ model: taken, switchRatio: 0.9 }, { model: taken }], autoencoder: coder, guidanceScale: 2, count: 4, sampler: { steps: 6 } }
  foreign: { uses: latents, path: foreign, autoencoder: autoencoder, scale: 1 }
  onForeign: { uses: train, latents: foreign, steps: 20, globalBatch: 4, model: { hiddenSize: 32, depth: 1, heads: 2, patchSize: 1, mediators: 0 } }
  drawn: { uses: draw, model: onForeign, count: 8, steps: 4 }
  measured: { uses: attention, model: onForeign, mediators: [1, 4], count: 2, times: 2, steps: 4 }
  scored: { uses: evaluate, samples: sample, reference: images, metrics: [latentFrechetDistance], autoencoder: autoencoder }
  page: { uses: playground, model: taken, autoencoder: coder }
`;

it('measures the time of stages that have never run, then takes it from what they took', async () => {
  const folder = await tinyPipeline();
  const cache = await cacheWithoutRates(folder);
  const pipeline = (...args: string[]) => startPipeline(folder, args, 'runs', cache);
  const plan = async (file: string, ...args: string[]) =>
    new Map(
      (
        JSON.parse((await pipeline('plan', file, '--json', ...args)).stdout) as {
          stages: readonly PlannedTime[];
        }
      ).stages.map((stage) => [stage.stage, stage]),
    );
  try {
    const unknown = await pipeline('plan', 'tiny.yaml');
    expect(unknown.stdout).toContain('Time: not known');
    expect(unknown.stdout).toContain('--time');

    await cp(resolve('pipelines/emoji-64'), join(folder, 'emoji'), { recursive: true });
    await cp(resolve('test/fixtures/latents/mar'), join(folder, 'foreign'), { recursive: true });
    await writeFile(join(folder, 'every.yaml'), everyKind);
    const measured = await plan('every.yaml', '--time');
    for (const [id, { kind, expectedSeconds, expectedFrom }] of measured) {
      if (kind === 'report') expect(expectedFrom).toEqual({ quick: true });
      else expect([id, expectedFrom?.measuredAt]).toEqual([id, expect.stringMatching(/^\d{4}-/)]);
      if (kind !== 'report') expect(expectedSeconds![0]).toBeGreaterThan(0);
      expect(expectedSeconds![1]).toBeGreaterThan(expectedSeconds![0]);
    }
    expect(new Set(Array.from(measured.values(), ({ kind }) => kind))).toEqual(new Set(stageRegistry.names));
    // What was measured beside other work says so.
    const rates = join(cache.PIPELINE_CACHE, 'rates');
    const kept = new Map<string, string>();
    for (const name of await readdir(rates)) kept.set(name, await readFile(join(rates, name), 'utf8'));
    for (const [name, text] of kept)
      await writeFile(join(rates, name), sealJson({ ...unsealJson(text), othersShare: 0.6 }));
    expect((await pipeline('plan', 'every.yaml')).stdout).toContain(
      "Other programs took up to 60.0 % of the processors' time during measurements.",
    );
    for (const [name, text] of kept) await writeFile(join(rates, name), text);
    // Twice the steps take longer, but what sets them up is done once.
    const twice = await plan('tiny.yaml', '--set', 'stages.train.steps=4000');
    const [once] = measured.get('train')!.expectedSeconds!;
    expect(twice.get('train')!.expectedSeconds![0]).toBeGreaterThan(once);
    expect(twice.get('train')!.expectedSeconds![0]).toBeLessThan(100 * once);

    const run = await pipeline('run', 'tiny.yaml');
    expect([run.stderr, run.exitCode]).toEqual(['', 0]);
    const after = await plan('tiny.yaml', '--set', 'seed=9', '--set', 'stages.train.steps=80');
    expect(after.get('train')!.expectedFrom).toEqual({ records: 1 });
    expect(after.get('sample')!.expectedFrom).toEqual({ records: 1 });
  } finally {
    await rm(folder, { recursive: true });
  }
}, 240_000);
