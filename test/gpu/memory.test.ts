import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { main } from '../support/tiny-pipeline.js';
import { buildFakeGpu, type FakeGpu, startOn, whyNotBuilt } from './fake-gpu.js';

const reason = whyNotBuilt();
let folder: string;
let fake: FakeGpu;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'fake-gpu-memory-'));
  if (reason === undefined) fake = buildFakeGpu(folder);
}, 300_000);
afterAll(() => {
  rmSync(folder, { recursive: true });
});
beforeEach(({ skip }) => {
  if (reason !== undefined) skip(reason);
});

describe('plan', () => {
  const plan = (settings: readonly string[], env: Readonly<Record<string, string>> = {}) => {
    const file = join(folder, 'memory.yaml');
    const autoencoder = '{ uses: autoencoder, images: images, steps: 10, channels: [32, 32, 32] }';
    const stages = [
      'images: { uses: images, path: ., size: 128 }',
      `autoencoder: ${autoencoder}`,
      'latents: { uses: encode, images: images, autoencoder: autoencoder }',
      'train: { uses: train, latents: latents, steps: 10, globalBatch: 64, model: { name: SiT-S/2, mediators: 64 } }',
      'sample: { uses: sample, model: train, autoencoder: autoencoder, count: 8, batch: 8 }',
    ];
    writeFileSync(file, `name: memory\nstages:\n${stages.map((stage) => `  ${stage}\n`).join('')}`);
    const sets = settings.flatMap((setting) => ['--set', setting]);
    return startOn(fake, folder, main, ['plan', file, ...sets], env);
  };

  test('tells the memory of the GPU that a training and a sampling need', async () => {
    const { exitCode, stdout, stderr } = await plan([]);
    expect([exitCode, stderr]).toEqual([0, '']);
    const needed =
      /GPU memory: about [\d.]+ [GM]B of 147 GB on NVIDIA H200 \(fake\) for (\d+) (\w+) at once/g;
    expect([...stdout.matchAll(needed)].map(([, count, what]) => [count, what])).toEqual([
      ['64', 'latents'],
      ['8', 'samples'],
    ]);
  });

  test('refuses what does not fit it, and proposes what does', async () => {
    const small = { FAKE_GPU_GB: '8' };
    const { exitCode, stderr } = await plan([], small);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(
      /This training needs about [\d.]+ GB of GPU memory for 64 samples at once; there are 6\.7 GB for it on NVIDIA H200/,
    );
    for (const key of ['accumulate', 'recompute']) {
      const [, value] = new RegExp(`\`${key}: (\\w+)\``).exec(stderr)!;
      const changed = await plan([`stages.train.${key}=${value!}`], small);
      expect([changed.exitCode, changed.stderr]).toEqual([0, '']);
    }
    const hidden = await plan([], { ...small, PIPELINE_DEVICE: 'cpu' });
    expect([hidden.exitCode, hidden.stdout]).toEqual([0, expect.not.stringContaining('GPU memory')]);
  });
});
