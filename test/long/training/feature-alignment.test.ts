import { mkdir, readdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { cacheFolder } from '../../../src/tensorflow/install/platform.js';
import { headGroups } from '../../../src/training/checkpoint-manifest.js';
import { loggedIn, stateIn, TinyTrainings } from '../../support/tiny-trainings.js';

let trainings: TinyTrainings;

const model = '{ hiddenSize: 16, depth: 3, heads: 4, patchSize: 2, mediators: [4, 0, 1] }';
const common = `learningRate: 0.003, globalBatch: 8, logEverySteps: 1, ema: 0.9, checkpoint: { everySteps: 3 }`;
const stages = `
  aligned: { uses: train, latents: latents, steps: 8, model: ${model}, ${common}, accumulate: 2, featureAlignment: { images: images, projection: mlp, width: 24, untilStep: 6 }, selfAlignment: {} }
  convolved: { uses: train, images: images, autoencoder: autoencoder, flips: true, steps: 2, model: ${model}, ${common}, featureAlignment: { images: images } }
`;

beforeAll(async () => {
  trainings = await TinyTrainings.open('aligned', stages, 'latents');
}, 240_000);

afterAll(() => trainings.close());

const groups = [...(['weights', 'average', 'firstMoment', 'secondMoment'] as const), ...headGroups];

type Logged = Readonly<
  Record<'step' | 'loss' | 'totalLoss' | 'selfAlignmentLoss' | 'featureAlignmentLoss', number>
>;

it('draws tokens towards features beside another part of the loss, resumes to the same bytes, and is the same with two workers', async () => {
  await trainings.copyRuns('killed', 'two');
  const whole = await trainings.run('aligned');
  expect(whole.exitCode, whole.stderr).toBe(0);
  const records = await loggedIn<Logged>(whole.output);
  for (const { step, loss, totalLoss, selfAlignmentLoss, featureAlignmentLoss = 0 } of records) {
    expect(totalLoss).toBeCloseTo(loss + 0.2 * selfAlignmentLoss + 0.5 * featureAlignmentLoss, 5);
    expect(Math.abs(featureAlignmentLoss)).toBeLessThan(1);
    expect(featureAlignmentLoss !== 0).toBe(step <= 6);
  }
  expect(records[5]!.featureAlignmentLoss).toBeLessThan(records[0]!.featureAlignmentLoss);
  const unbroken = await stateIn(whole.output, groups);

  const resumed = await trainings.runTwice('aligned', 5);
  expect(resumed.stdout).toContain('Continues from step 3.');
  expect(await stateIn(resumed.output, groups)).toEqual(unbroken);

  const two = await trainings.runInTwo('aligned');
  const inTwo = await stateIn(two.output, groups);
  for (const [name, values] of unbroken)
    // Single precision's rounding over 8 steps.
    if (/^(average|heads) /.test(name))
      expect(inTwo.get(name), name).toBeAllclose(values, { absolute: 2e-5 });
}, 300_000);

it('keeps features in the cache, straight and mirrored, for the next training', async () => {
  const home = join(trainings.folder, 'cache');
  await mkdir(home, { recursive: true });
  // All but the features is as it is.
  for (const name of await readdir(cacheFolder()))
    if (name !== 'features') await symlink(join(cacheFolder(), name), join(home, name));
  const env = { PIPELINE_CACHE: home };
  const first = await trainings.run('convolved', 'own', [], env);
  expect(first.exitCode, first.stderr).toBe(0);
  expect(first.stdout).toContain("Computes EfficientNet-Lite0's features of 36 images of images, once");
  const kept = async () => (await readdir(join(home, 'features'))).length;
  const before = await kept();
  expect(before).toBe(2);
  const again = await trainings.run('convolved', 'own', ['stages.convolved.steps=3'], env);
  expect(again.exitCode, again.stderr).toBe(0);
  expect(again.stdout).not.toContain('Computes');
  expect(await kept()).toBe(before);
}, 240_000);

it.each([
  ['width: 24', 'projection: convolution, width: 24', '`width` has an effect only with `projection: mlp`.'],
  ['untilStep: 6', 'untilStep: 9', 'The training has 8 steps, and none from step 9 on.'],
  ['untilStep: 6', 'blocks: 4', 'The model has 3 blocks: there are no tokens after 4.'],
])('is refused with %s as %s', async (from, to, message) => {
  const { exitCode, told } = await trainings.lookAt('validate', (text) =>
    text.replace('projection: mlp, width', 'width').replace(from, to),
  );
  expect(exitCode).toBe(2);
  expect(told).toContain(message);
});

it('is refused with images that are not those of the latents, or other parts of them', async () => {
  const withOthers = (text: string) => `${text}  others: { uses: images, path: data, size: 32 }\n`;
  const cases = [
    [
      (text: string) =>
        withOthers(text).replace('{ images: images, projection', '{ images: others, projection'),
      'features of `others` are of other images',
    ],
    [
      (text: string) => text.replace('flips: true, steps', 'crop: random, steps'),
      'shows another part of it each time',
    ],
  ] as const;
  for (const [change, message] of cases) {
    const { exitCode, told } = await trainings.lookAt('validate', change);
    expect(exitCode).toBe(2);
    expect(told).toContain(message);
  }
});
