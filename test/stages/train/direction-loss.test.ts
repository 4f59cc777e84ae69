import { afterAll, beforeAll, expect, it } from 'vitest';
import { loggedIn, TinyTrainings } from '../../support/tiny-trainings.js';

let trainings: TinyTrainings;
const stages = `  train: { uses: train, latents: latents, directionLoss: 0.5, steps: 4, globalBatch: 8, logEverySteps: 1, learningRate: 0.01, model: { hiddenSize: 16, depth: 2, heads: 2, patchSize: 2, mediators: [1, 0] } }
`;

beforeAll(async () => {
  trainings = await TinyTrainings.open('direction', stages, 'latents');
}, 240_000);

afterAll(() => trainings.close());

it('is logged beside the squared error, and is part of the loss', async () => {
  const ran = await trainings.run('train');
  expect(ran.exitCode, ran.stderr).toBe(0);
  const logged = await loggedIn<Record<'loss' | 'totalLoss' | 'directionLoss', number>>(ran.output);
  expect(logged).toHaveLength(4);
  for (const { loss, totalLoss, directionLoss } of logged)
    expect(totalLoss).toBeCloseTo(loss + 0.5 * directionLoss, 5);
  // Outputs are zero at first.
  expect(logged[0]!.directionLoss).toBeCloseTo(1, 6);
  expect(logged[3]!.directionLoss).not.toBeCloseTo(1, 4);
}, 240_000);

it('is told by plan, and refused of what is no velocity', async () => {
  const { told } = await trainings.lookAt('plan', (text) => text.replace('steps: 4', 'steps: 5'));
  expect(told).toContain('direction loss');
  const wrong = await trainings.lookAt('validate', (text) =>
    text.replace('directionLoss: 0.5', 'directionLoss: 0.5, prediction: noise'),
  );
  expect(wrong.exitCode).toBe(2);
  expect(wrong.told).toContain('`prediction: noise` gives none');
}, 60_000);
