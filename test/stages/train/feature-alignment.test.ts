import { cp, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openSafetensors } from '../../../src/formats/safetensors/reader.js';
import { cacheFolder } from '../../../src/tensorflow/install/platform.js';
import { headGroups } from '../../../src/training/checkpoint-manifest.js';
import { readSavedModel } from '../../../src/weights/saved-files.js';
import { startPipeline, tinyPipeline } from '../../support/tiny-pipeline.js';

let folder: string;

const model = '{ hiddenSize: 16, depth: 3, heads: 4, patchSize: 2, mediators: [4, 0, 1] }';
const common = `learningRate: 0.003, globalBatch: 8, logEverySteps: 1, ema: 0.9, checkpoint: { everySteps: 3 }`;
const stages = `
  aligned: { uses: train, latents: latents, steps: 8, model: ${model}, ${common}, accumulate: 2, featureAlignment: { images: images, projection: mlp, width: 24, untilStep: 6 }, selfAlignment: {} }
  convolved: { uses: train, images: images, autoencoder: autoencoder, flips: true, steps: 2, model: ${model}, ${common}, featureAlignment: { images: images } }
`;

beforeAll(async () => {
  folder = await tinyPipeline();
  const made = await startPipeline(folder, ['run', 'tiny.yaml', '--until', 'latents']);
  expect(made.exitCode, made.stderr).toBe(0);
  const text = await readFile(join(folder, 'tiny.yaml'), 'utf8');
  const head = text.split('  train:\n')[0]!;
  await writeFile(join(folder, 'aligned.yaml'), head.replace('name: tiny', 'name: aligned') + stages);
}, 240_000);

afterAll(() => rm(folder, { recursive: true }));

async function run(
  stage: string,
  runs = 'runs',
  settings: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
) {
  const set = settings.flatMap((setting) => ['--set', setting]);
  const args = ['run', 'aligned.yaml', '--until', stage, ...set];
  const { exitCode, stdout, stderr } = await startPipeline(folder, args, runs, env);
  return { exitCode, stdout, stderr, output: join(folder, runs, 'aligned', 'latest', stage) };
}

type Logged = Readonly<
  Record<'step' | 'loss' | 'dataLoss' | 'selfAlignmentLoss' | 'featureAlignmentLoss', number>
>;

async function logged(output: string): Promise<Logged[]> {
  const text = await readFile(join(output, 'metrics.jsonl'), 'utf8');
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Logged);
}

async function state(output: string): Promise<Map<string, Float32Array>> {
  const { weights } = await readSavedModel(output);
  const values = new Map<string, Float32Array>();
  for (const group of ['weights', 'average', 'firstMoment', 'secondMoment', ...headGroups]) {
    const file = await openSafetensors(join(output, weights.raw.replace('weights.', `${group}.`)));
    for (const name of file.tensors.keys()) values.set(`${group} ${name}`, await file.readFloat32(name));
    await file.close();
  }
  return values;
}

it('draws tokens towards features beside another part of the loss, resumes to the same bytes, and is the same with two workers', async () => {
  for (const runs of ['killed', 'two'])
    await cp(join(folder, 'runs'), join(folder, runs), { recursive: true, verbatimSymlinks: true });
  const whole = await run('aligned');
  expect(whole.exitCode, whole.stderr).toBe(0);
  const records = await logged(whole.output);
  for (const { step, loss, dataLoss, selfAlignmentLoss, featureAlignmentLoss = 0 } of records) {
    expect(loss).toBeCloseTo(dataLoss + 0.2 * selfAlignmentLoss + 0.5 * featureAlignmentLoss, 5);
    expect(Math.abs(featureAlignmentLoss)).toBeLessThan(1);
    expect(featureAlignmentLoss !== 0).toBe(step <= 6);
  }
  expect(records[5]!.featureAlignmentLoss).toBeLessThan(records[0]!.featureAlignmentLoss);
  const unbroken = await state(whole.output);

  const killed = await run('aligned', 'killed', [], { PIPELINE_KILL_AT: 'took step#5' });
  expect(killed.exitCode).not.toBe(0);
  const resumed = await run('aligned', 'killed');
  expect(resumed.exitCode, resumed.stderr).toBe(0);
  expect(resumed.stdout).toContain('Continues from step 3.');
  expect(await state(resumed.output)).toEqual(unbroken);

  const two = await run('aligned', 'two', ['stages.aligned.runtime.workers=2']);
  expect(two.exitCode, two.stderr).toBe(0);
  const inTwo = await state(two.output);
  for (const [name, values] of unbroken)
    // Single precision's rounding over 8 steps.
    if (/^(average|heads) /.test(name))
      expect(inTwo.get(name), name).toBeAllclose(values, { absolute: 2e-5 });
}, 300_000);

it('keeps features in the cache, straight and mirrored, for the next training', async () => {
  const home = join(folder, 'cache');
  await mkdir(home, { recursive: true });
  // All but the features is as it is.
  for (const name of await readdir(cacheFolder()))
    if (name !== 'features') await symlink(join(cacheFolder(), name), join(home, name));
  const env = { PIPELINE_CACHE: home };
  const first = await run('convolved', 'own', [], env);
  expect(first.exitCode, first.stderr).toBe(0);
  const kept = async () => (await readdir(join(home, 'features'))).length;
  const before = await kept();
  expect(before).toBe(2);
  const again = await run('convolved', 'own', ['stages.convolved.steps=3'], env);
  expect(again.exitCode, again.stderr).toBe(0);
  expect(await kept()).toBe(before);
}, 240_000);

it.each([
  ['width: 24', 'projection: convolution, width: 24', '`width` has an effect only with `projection: mlp`.'],
  ['untilStep: 6', 'untilStep: 9', 'The training has 8 steps, and none from step 9 on.'],
  ['untilStep: 6', 'blocks: 4', 'The model has 3 blocks: there are no tokens after 4.'],
])('is refused with %s as %s', async (from, to, message) => {
  const text = await readFile(join(folder, 'aligned.yaml'), 'utf8');
  await writeFile(
    join(folder, 'refused.yaml'),
    text.replace('projection: mlp, width', 'width').replace(from, to),
  );
  const planned = await startPipeline(folder, ['validate', 'refused.yaml']);
  expect(planned.exitCode).toBe(2);
  expect(planned.stdout + planned.stderr).toContain(message);
});

it('is refused with images that are not those of the latents, or other parts of them', async () => {
  const text = await readFile(join(folder, 'aligned.yaml'), 'utf8');
  const others = `${text}  others: { uses: images, path: data, size: 32 }\n`;
  const cases = [
    [
      others.replace('{ images: images, projection', '{ images: others, projection'),
      'features of `others` are of other images',
    ],
    [text.replace('flips: true, steps', 'crop: random, steps'), 'shows another part of it each time'],
  ] as const;
  for (const [changed, message] of cases) {
    await writeFile(join(folder, 'refused.yaml'), changed);
    const found = await startPipeline(folder, ['validate', 'refused.yaml']);
    expect(found.exitCode).toBe(2);
    expect(found.stdout + found.stderr).toContain(message);
  }
});
