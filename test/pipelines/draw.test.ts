import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runCommand } from '../support/run-command.js';
import { startPipeline } from '../support/tiny-pipeline.js';

const recipes = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'pipelines');
const parts = ['draw.yaml', 'draw.lock.yaml', 'emoji-64'];
let folder: string;

/** The recipe with its lock and weights, alone: nothing else is needed. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'draw-'));
  for (const part of parts) await cp(join(recipes, part), join(folder, part), { recursive: true });
});

afterAll(() => rm(folder, { recursive: true, force: true }));

it('draws what its classes are, by two models in turn, without a data set', async () => {
  const classes = 'stages.sample.classes=[face-smiling, heart]';
  const { stdout, stderr, exitCode } = await startPipeline(folder, [
    'run',
    join(folder, 'draw.yaml'),
    ...['--set', classes, '--set', 'stages.sample.count=6', '--set', 'stages.sample.sampler.steps=25'],
  ]);
  expect(exitCode, `${stdout}\n${stderr}`).toBe(0);
  const output = join(folder, 'runs', 'draw', 'latest', 'sample');
  for (const sample of ['000000', '000002', '000004']) {
    const picture = sharp(join(output, 'samples', `${sample}.png`));
    expect(await picture.metadata()).toMatchObject({ width: 64, height: 64 });
    const [corner, face] = await Promise.all(
      [
        { left: 0, top: 0 },
        { left: 28, top: 24 },
      ].map(async (place) => {
        const { data } = await picture
          .clone()
          .extract({ ...place, width: 8, height: 4 })
          .raw()
          .toBuffer({ resolveWithObject: true });
        return [0, 1, 2].map((channel) => mean(data.filter((_, i) => i % 3 === channel)));
      }),
    );
    // White around a yellow face.
    expect(Math.min(...corner!)).toBeGreaterThan(225);
    expect(face![0]).toBeGreaterThan(190);
    expect(face![1]).toBeGreaterThan(130);
    expect(face![2]).toBeLessThan(120);
  }
}, 120_000);

it('has no sizes of its models among the figures of its run', async () => {
  const { stdout } = await runCommand(['status'], { PIPELINE_RUNS: join(folder, 'runs') });
  expect(stdout).toContain('saved fraction');
  expect(stdout).not.toMatch(/latent size|hidden size|depth/);
});

it('has the weights that its lock names, and no others are taken for them', async () => {
  const file = join(folder, 'draw.yaml');
  const plan = () => runCommand(['plan', file, '--locked'], { PIPELINE_RUNS: join(folder, 'none') });
  expect(await plan()).toMatchObject({ exitCode: 0, stderr: '' });
  const weights = join(folder, 'emoji-64', 'mediators-4', 'weights.safetensors');
  const bytes = await readFile(weights);
  bytes[bytes.length - 1]! ^= 1;
  await writeFile(weights, bytes);
  const { exitCode, stdout, stderr } = await plan();
  expect(exitCode).not.toBe(0);
  expect(stdout + stderr).toMatch(/mediators-4/);
});

const mean = (values: Uint8Array): number => values.reduce((sum, value) => sum + value, 0) / values.length;
