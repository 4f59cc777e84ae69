import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { LatentDataset } from '../../../src/data/latents/dataset.js';
import { readSavedModel } from '../../../src/weights/saved-files.js';
import { startPipeline, tinyModel } from '../../support/tiny-pipeline.js';

let folder: string;

const count = 1100;
const stages = `
  drawn: { uses: draw, model: full, count: ${count}, steps: 2, guidanceScale: 2, batch: 16, dtype: float32 }
  student: { uses: train, latents: drawn, teacher: { model: full }, steps: 4, globalBatch: 4, logEverySteps: 1, model: { hiddenSize: 16, depth: 2, heads: 2, patchSize: 2, mediators: 4 } }
`;

beforeAll(async () => {
  folder = await tinyModel();
  await writeFile(
    join(folder, 'drawn.yaml'),
    `name: drawn\nseed: 3\nruntime: { device: cpu, threads: 1 }\nstages:\n  full: { uses: pretrained, path: model }${stages}`,
  );
}, 240_000);

afterAll(() => rm(folder, { recursive: true }));

const run = (runs: string, settings: readonly string[] = [], env = {}) =>
  startPipeline(
    folder,
    ['run', 'drawn.yaml', '--until', 'drawn', ...settings.flatMap((setting) => ['--set', setting])],
    runs,
    env,
  );

async function latents(runs: string) {
  const directory = join(folder, runs, 'drawn', 'latest', 'drawn');
  const set = await LatentDataset.open(directory);
  const size = set.shape.reduce((a, b) => a * b);
  const out = { mean: new Float32Array(set.count * size), std: new Float32Array(set.count * size) };
  await set.readBatch([...Array(set.count).keys()], out);
  await set.close();
  return { set, ...out };
}

it('stores what the model draws, the same however it was interrupted and whoever drew it', async () => {
  const whole = await run('whole');
  expect(whole.exitCode, whole.stderr).toBe(0);
  const { set, mean, std } = await latents('whole');
  const { config, classes, normalization } = await readSavedModel(join(folder, 'model'));
  expect(set.index).toMatchObject({
    count,
    classes,
    normalization,
    shape: [config.latentSize, config.latentSize, config.channels],
  });
  expect([...set.labels.subarray(0, 4)]).toEqual([0, 1, 2, 0]);
  expect(std.every((value) => value === 0)).toBe(true);
  // Of a model that has learnt a little: about as wide as what it was trained on, and no two alike.
  const deviation = set.index.statistics.std[0]! / normalization.std[0]!;
  expect(deviation).toBeGreaterThan(0.3);
  expect(deviation).toBeLessThan(3);
  const size = mean.length / count;
  expect(mean.subarray(0, size)).not.toEqual(mean.subarray(3 * size, 4 * size));

  const killed = await run('killed', [], { PIPELINE_KILL_AT: 'renamed latents-00000.partial.json' });
  expect(killed.exitCode).not.toBe(0);
  const resumed = await run('killed');
  expect(resumed.exitCode, resumed.stderr).toBe(0);
  expect((await latents('killed')).mean).toEqual(mean);

  const two = await run('two', ['stages.drawn.runtime.workers=2']);
  expect(two.exitCode, two.stderr).toBe(0);
  expect((await latents('two')).mean).toEqual(mean);
}, 240_000);

it('is what a model is trained on without any image, and `plan` tells its size', async () => {
  const planned = await startPipeline(folder, ['plan', 'drawn.yaml'], 'whole');
  expect(planned.exitCode, planned.stderr).toBe(0);
  const ran = await startPipeline(folder, ['run', 'drawn.yaml'], 'whole');
  expect(ran.exitCode, ran.stderr).toBe(0);
  const student = join(folder, 'whole', 'drawn', 'latest', 'student');
  const saved = await readSavedModel(student);
  expect(saved.normalization).toEqual((await readSavedModel(join(folder, 'model'))).normalization);
  expect(await readFile(join(student, 'metrics.jsonl'), 'utf8')).toContain('teacherLoss');
  const again = await startPipeline(folder, ['plan', 'drawn.yaml', '--force', 'drawn'], 'whole');
  expect(again.stdout).toContain(`latents: 1,100 of ${saved.config.latentSize} × ${saved.config.latentSize}`);
}, 240_000);
