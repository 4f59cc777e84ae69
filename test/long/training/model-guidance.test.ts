import { afterAll, beforeAll, expect, it } from 'vitest';
import { readSavedModel } from '../../../src/weights/saved-files.js';
import { startPipeline } from '../../support/tiny-pipeline.js';
import { loggedIn, stateIn, TinyTrainings } from '../../support/tiny-trainings.js';

let trainings: TinyTrainings;

const model = '{ hiddenSize: 16, depth: 2, heads: 4, patchSize: 2, mediators: [4, 0] }';
const common = `latents: latents, steps: 8, learningRate: 0.01, globalBatch: 8, logEverySteps: 1, ema: 0.5, checkpoint: { everySteps: 3 }`;
const stages = `
  plain: { uses: train, model: ${model}, ${common} }
  guided: { uses: train, model: ${model}, ${common}, accumulate: 2, modelGuidance: { scale: 1.5, fromStep: 4 } }
  pupil: { uses: train, model: ${model}, latents: latents, steps: 1, globalBatch: 8, teacher: { model: guided } }
`;

beforeAll(async () => {
  trainings = await TinyTrainings.open('guided', stages, 'latents');
}, 240_000);

afterAll(() => trainings.close());

interface Logged {
  readonly step: number;
  readonly loss: number;
  readonly totalLoss?: number;
}

it('acts from its step on, resumes to the same bytes, and is the same with two workers', async () => {
  await trainings.copyRuns('killed', 'two');
  const whole = await trainings.run('guided');
  expect(whole.exitCode, whole.stderr).toBe(0);
  const records = await loggedIn<Logged>(whole.output);
  const unbroken = await stateIn(whole.output);
  const others = await loggedIn<Logged>((await trainings.run('plain')).output);
  for (const [i, { step, loss, totalLoss }] of records.entries()) {
    // Parts of a batch are added in another order.
    if (step <= 5) expect(loss).toBeCloseTo(others[i]!.loss, 4);
    if (step <= 4) expect(totalLoss).toBeUndefined();
    else expect(totalLoss).not.toBe(loss);
  }

  const resumed = await trainings.runTwice('guided', 7);
  expect(resumed.stdout).toContain('Continues from step 6.');
  expect(await stateIn(resumed.output)).toEqual(unbroken);

  const two = await trainings.runInTwo('guided');
  const inTwo = await stateIn(two.output);
  for (const [name, values] of unbroken)
    // Single precision's rounding over 8 steps.
    if (name.startsWith('average')) expect(inTwo.get(name), name).toBeAllclose(values, { absolute: 1e-4 });
}, 300_000);

it('makes guided what learns from it', async () => {
  const { output, exitCode, stderr } = await trainings.run('pupil');
  expect(exitCode, stderr).toBe(0);
  expect(await readSavedModel(output)).toMatchObject({ guided: true });
}, 120_000);

it('is told by `plan`', async () => {
  const { stdout, stderr } = await startPipeline(trainings.folder, [
    'plan',
    trainings.file,
    '--force',
    'guided',
  ]);
  expect(stdout, stderr).toContain(
    "model guidance: scale 1.5 of the average's, with a class and without, from step 4, 0.00 GFLOPs a sample more",
  );
});

it.each([
  ['fromStep: 4', 'fromStep: 8', 'The training has 8 steps, and none from step 8 on.'],
  ['scale: 1.5', 'scale: 2', '`scale` must be less than 2'],
  ['fromStep: 4', 'interval: [0.5, 0.5]', 'The interval from 0.5 to 0.5 holds no time.'],
  [
    'mediators: [4, 0] }, latents: latents, steps: 8, learningRate: 0.01, globalBatch: 8, logEverySteps: 1, ema: 0.5, checkpoint: { everySteps: 3 }, accumulate',
    'mediators: [4, 0], labelDropout: 0 }, latents: latents, steps: 8, accumulate',
    '`labelDropout: 0`',
  ],
  [
    'accumulate: 2',
    'accumulate: 2, samples: { everySteps: 4, autoencoder: autoencoder }',
    '`guided` draws guided samples itself, by `modelGuidance`; guidance of 4 would guide them again.',
  ],
  [
    'fromStep: 4 } }',
    'fromStep: 4 } }\n  drawn: { uses: sample, model: guided, autoencoder: autoencoder, count: 2, guidanceScale: 2 }',
    '`guided` draws guided samples itself, by `modelGuidance`; guidance of 2 would guide them again.',
  ],
])('is refused with %s as %s', async (from, to, message) => {
  const { exitCode, told } = await trainings.lookAt('validate', (text) => text.replace(from, to));
  expect(exitCode).toBe(2);
  expect(told).toContain(message);
});
