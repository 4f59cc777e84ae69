import { cp, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openSafetensors } from '../../../src/formats/safetensors/reader.js';
import { powerShares } from '../../../src/training/averages.js';
import { openModelWeights } from '../../../src/weights/model-weights.js';
import { readSavedModel } from '../../../src/weights/saved-files.js';
import { messages, pipelineText } from '../../runner/pipelines.js';
import { startPipeline } from '../../support/tiny-pipeline.js';
import { stateIn, TinyTrainings } from '../../support/tiny-trainings.js';

let trainings: TinyTrainings;
/** Output of the training that nothing interrupts, every checkpoint of which is kept. */
let whole: string;
const steps = 24;
const train = `uses: train, latents: latents, steps: ${steps}, globalBatch: 4, learningRate: 0.01, logEverySteps: 8,
    ema: { kind: power, snapshotEverySteps: 3 }, checkpoint: { everySteps: 1, keepLast: 100 },
    model: { hiddenSize: 16, depth: 1, heads: 2, patchSize: 2, mediators: 1 }`;

beforeAll(async () => {
  trainings = await TinyTrainings.open(
    'power',
    `  train: { ${train} }
  sample: { uses: sample, model: train, autoencoder: autoencoder, count: 2, weights: power-0.08, sampler: { kind: ode, method: euler, steps: 3 } }
`,
    'latents',
  );
  await trainings.copyRuns('killed', 'two');
  const ran = await trainings.run('sample');
  expect(ran.exitCode, ran.stderr).toBe(0);
  whole = join(ran.output, '..', 'train');
}, 400_000);

afterAll(() => trainings.close());

/** Values of a tensor of every step's weights, the first step's first. */
async function course(name: string): Promise<Float32Array[]> {
  const folders = (await readdir(join(whole, 'checkpoints'))).sort();
  return Promise.all(
    folders.map(async (folder) => {
      const file = await openSafetensors(join(whole, 'checkpoints', folder, 'weights.safetensors'));
      const values = await file.readFloat32(name);
      await file.close();
      return values;
    }),
  );
}

/** The average of a width over all steps, followed directly. */
function followed(weights: readonly Float32Array[], relativeWidth: number): number[] {
  const average = Array.from(weights[0]!);
  for (const [i, values] of weights.entries()) {
    const [share] = powerShares([{ relativeWidth }], i);
    for (const [k, value] of values.entries()) average[k]! += (value - average[k]!) * share!;
  }
  return average;
}

async function weightsNamed(name: string, tensor: string): Promise<Float32Array> {
  const opened = await openModelWeights('train', whole, await readSavedModel(whole), name);
  const values = await opened.readFloat32(tensor);
  await opened.close();
  return values;
}

const snapshotsIn = async (output: string) =>
  (await readdir(join(output, 'snapshots'), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();

it('keeps snapshots, from which any average over all steps is rebuilt', async () => {
  const saved = await readSavedModel(whole);
  expect(saved.snapshots?.map(({ updates }) => updates)).toEqual([3, 6, 9, 12, 15, 18, 21, 24]);
  for (const tensor of ['patchEmbedding.weight', 'blocks.0.mlp.in.weight']) {
    const weights = await course(tensor);
    expect(weights).toHaveLength(steps);
    const moved = Math.max(...weights[0]!.map((value, k) => Math.abs(weights.at(-1)![k]! - value)));
    for (const width of [0.05, 0.1])
      // Single precision's rounding over 24 updates.
      expect(await weightsNamed(`power-${width}`, tensor)).toBeAllclose(followed(weights, width), {
        absolute: 1e-6,
      });
    for (const width of [0.06, 0.08, 0.15]) {
      const found = await weightsNamed(`power-${width}`, tensor);
      const direct = followed(weights, width);
      // Profiles are fitted over continuous time; of 24 steps each is a piece of it.
      expect(found).toBeAllclose(direct, { absolute: 0.05 * moved });
      // No average that is kept is as near.
      const kept = await weightsNamed('power-0.05', tensor);
      const apart = (values: Float32Array) => Math.hypot(...values.map((value, k) => value - direct[k]!));
      expect(apart(found)).toBeLessThan(0.5 * apart(kept));
    }
  }
});

it('samples and exports a rebuilt average, and tells how near it is', async () => {
  const { origin, summary } = JSON.parse(
    await readFile(join(whole, '..', 'sample', 'manifest.json'), 'utf8'),
  ) as { origin: { config: object }; summary: Record<string, number> };
  expect(origin.config).toMatchObject({ weights: 'power-0.08' });
  expect(summary.averageError).toBeGreaterThan(0);
  expect(summary.averageError).toBeLessThan(0.1);
  const args = ['export', 'power.yaml#train', 'exported', '--format', 'own', '--weights', 'power-0.08'];
  const exported = await startPipeline(trainings.folder, args);
  expect(exported.exitCode, exported.stderr).toBe(0);
  const file = await openSafetensors(join(trainings.folder, 'exported', 'weights.safetensors'));
  for (const name of file.tensors.keys())
    expect(await file.readFloat32(name)).toEqual(await weightsNamed('power-0.08', name));
  await file.close();
  expect(await readSavedModel(join(trainings.folder, 'exported'))).not.toHaveProperty('snapshots');
  const narrow = await startPipeline(trainings.folder, [
    ...args.slice(0, 2),
    'narrow',
    ...args.slice(3, -1),
    'power-0.001',
  ]);
  expect(narrow.exitCode).toBe(1);
  expect(narrow.stderr).toContain('give no average of the relative width 0.001');
}, 240_000);

it('goes on to the same bytes after it was killed, and is the same with two workers', async () => {
  const resumed = await trainings.runTwice('train', 10);
  expect(resumed.stdout).toContain('Continues from step 9.');
  const groups = ['weights', 'average', 'average-power-0.1', 'firstMoment', 'secondMoment'] as const;
  expect(await stateIn(resumed.output, groups)).toEqual(await stateIn(whole, groups));
  const [here, there] = [await snapshotsIn(resumed.output), await snapshotsIn(whole)];
  expect(here).toHaveLength(there.length);
  for (const [i, path] of here.entries()) expect(await readFile(path)).toEqual(await readFile(there[i]!));
  const two = await trainings.runInTwo('train');
  const inTwo = await stateIn(two.output, groups);
  for (const [name, values] of await stateIn(whole, ['average', 'average-power-0.1']))
    // Single precision's rounding, which AdamW makes steps of where gradients nearly vanish, over 24 steps.
    expect(inTwo.get(name), name).toBeAllclose(values, { absolute: 1e-2 });
  expect((await snapshotsIn(two.output)).length).toBe(there.length);
}, 400_000);

it('does not go on without a snapshot', async () => {
  await cp(join(trainings.folder, 'killed'), join(trainings.folder, 'gone'), {
    recursive: true,
    verbatimSymlinks: true,
  });
  await trainings.copyRuns('gone');
  await rm(join(trainings.folder, 'gone', 'power'), { recursive: true });
  const set = ['stages.train.seed=1'];
  const killed = await trainings.run('train', 'gone', set, { PIPELINE_KILL_AT: 'took step#8' });
  expect(killed.exitCode).not.toBe(0);
  const [partial] = (await readdir(join(trainings.folder, 'gone'), { recursive: true })).filter((path) =>
    path.endsWith('.partial/snapshots/step-000000003'),
  );
  await rm(join(trainings.folder, 'gone', partial!), { recursive: true });
  const resumed = await trainings.run('train', 'gone', set);
  expect(resumed.exitCode).toBe(1);
  expect(resumed.stderr).toContain('a snapshot of the averages is expected there');
}, 240_000);

it('is told by plan, and refused where snapshots cannot give it', async () => {
  const plan = await trainings.lookAt('plan', (text) => text.replace('steps: 24', 'steps: 25'));
  expect(plan.told).toContain('snapshots: 8 of 2 averages, 706 kB in the output');
  const found = (ema: string, weights: string) =>
    messages(
      pipelineText({
        train: `{ uses: train, latents: latents, steps: 100, model: { name: SiT-S/2, mediators: 4 }, ema: ${ema} }`,
        sample: `{ uses: sample, model: train, autoencoder: autoencoder, count: 2, weights: ${weights} }`,
        report: undefined,
      }),
    );
  const power = '{ kind: power, snapshotEverySteps: 5 }';
  expect(await found(power, 'power-0.08')).toBe('');
  expect(await found(power, 'power-0.05')).toBe('');
  expect(await found(power, 'power-0.005')).toContain('Use a width from 0.02 to 0.2');
  expect(await found(power, 'power-0.4')).toContain('widths are above 0 and at most 0.288');
  expect(await found(power, 'ema-0.9')).toContain('keeps no average `ema-0.9`');
  expect(await found('0.9999', 'power-0.08')).toContain('set `ema: { kind: power, … }` there');
  expect(await found('{ kind: power }', 'ema')).toContain('snapshotEverySteps');
  expect(await found('{ kind: power, relativeWidths: [0.4], snapshotEverySteps: 5 }', 'ema')).toContain(
    '0.28',
  );
});
