import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openTorchCheckpoint } from '../../../../src/formats/pytorch/read.js';
import { startPipeline } from '../../../support/tiny-pipeline.js';
import { loggedIn, stateIn, TinyTrainings } from '../../../support/tiny-trainings.js';

let trainings: TinyTrainings;
const common =
  'steps: 40, globalBatch: 8, ema: 0.9, learningRate: 0.01, warmupSteps: 4, schedule: cosine, gradientClip: 1, logEverySteps: 1, checkpoint: { everySteps: 4 }, model: { hiddenSize: 16, depth: 2, heads: 2, patchSize: 2, mediators: [1, 0], swiGlu: true, qkNorm: true, valueResidual: true }';
const stages = `  train: { uses: train, latents: latents, optimizer: { kind: muon, weightDecay: 0.1 }, accumulate: 2, ${common} }
`;
const groups = ['weights', 'average', 'firstMoment', 'secondMoment'] as const;

beforeAll(async () => {
  trainings = await TinyTrainings.open('muon', stages, 'latents');
}, 240_000);

afterAll(() => trainings.close());

it('trains; goes on to the same bytes after an interruption, and is the same with two workers', async () => {
  await trainings.copyRuns('killed', 'two');
  const whole = await trainings.run('train');
  expect(whole.exitCode, whole.stderr).toBe(0);
  const losses = (await loggedIn<{ readonly loss: number }>(whole.output)).map(({ loss }) => loss);
  const mean = (from: number) => losses.slice(from, from + 8).reduce((sum, loss) => sum + loss / 8, 0);
  expect(mean(32)).toBeLessThan(mean(0));

  // Reference checkpoints hold the state of AdamW alone.
  const exported = await startPipeline(trainings.folder, ['export', 'muon.yaml#train', 'muon.pt']);
  expect(exported.exitCode, exported.stderr).toBe(0);
  const checkpoint = await openTorchCheckpoint(join(trainings.folder, 'muon.pt'));
  expect(Object.keys(checkpoint.value as object)).toEqual(
    expect.arrayContaining(['model', 'ema', 'train_steps']),
  );
  expect(checkpoint.value).not.toHaveProperty('opt');
  await checkpoint.close();

  const unbroken = await stateIn(whole.output, [...groups]);
  const resumed = await trainings.runTwice('train', 9);
  expect(resumed.stdout).toContain('Continues from step 8.');
  expect(await stateIn(resumed.output, [...groups])).toEqual(unbroken);

  const inTwo = await stateIn((await trainings.runInTwo('train')).output, ['weights']);
  const apart = [...inTwo].map(([name, values]) => {
    const others = unbroken.get(name)!;
    return Math.max(...[...values].map((value, i) => Math.abs(value - others[i]!)));
  });
  expect(Math.max(...apart)).toBeLessThan(1e-3);
}, 400_000);

it('is told by plan, and refused where it is no optimizer', async () => {
  const { exitCode, told } = await trainings.lookAt('plan', (text) => text);
  expect(exitCode, told).toBe(0);
  expect(told).toMatch(/Muon for [\d,]+ parameters, 0\.\d\d GFLOPs a step more; AdamW for the others/);
  const wrong = await trainings.lookAt('validate', (text) => text.replace('kind: muon', 'kind: lion'));
  expect(wrong.exitCode).toBe(2);
  expect(wrong.told).toContain('`kind` must be `muon`');
}, 60_000);
