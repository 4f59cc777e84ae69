import { afterAll, beforeAll, expect, it } from 'vitest';
import { messages, pipelineText } from '../../../runner/pipelines.js';
import { startPipeline } from '../../../support/tiny-pipeline.js';
import { loggedIn, stateIn, TinyTrainings } from '../../../support/tiny-trainings.js';

let trainings: TinyTrainings;
const first =
  'timesteps: { kind: logitNormal, mean: -1 }, timestepShift: 3, lossWeight: { kind: minSnr, gamma: 2 }, classSampling: balanced';
const own = 'timesteps: uniform, timestepShift: { baseTokens: 4 }';
const common =
  'steps: 8, globalBatch: 4, ema: 0.9, logEverySteps: 1, checkpoint: { everySteps: 2 }, model: { hiddenSize: 16, depth: 2, heads: 2, patchSize: 2, mediators: [1, 0] }';
/** Too small a rate to change a weight: losses are functions of the step alone. */
const still = `learningRate: 1.0e-30, ${common}`;

const stages = `  before: { uses: train, latents: latents, ${first}, ${still} }
  after: { uses: train, latents: latents, ${own}, ${still} }
  both: { uses: train, latents: latents, until: { step: 3, ${first} }, ${own}, ${still} }
  train: { uses: train, latents: latents, until: { step: 3, ${first} }, ${own}, learningRate: 0.01, ${common} }
`;

beforeAll(async () => {
  trainings = await TinyTrainings.open('until', stages);
}, 240_000);

afterAll(() => trainings.close());

/** Losses of all steps of a training that runs. */
async function losses(stage: string): Promise<number[]> {
  const ran = await trainings.run(stage);
  expect(ran.exitCode, ran.stderr).toBe(0);
  return (await loggedIn<{ readonly loss: number }>(ran.output)).map(({ loss }) => loss);
}

const weights = (output: string) => stateIn(output, ['weights']);

it('takes the other values up to the step, and then its own', async () => {
  const [before, after, both] = [await losses('before'), await losses('after'), await losses('both')];
  for (const [i, loss] of both.entries()) {
    // The weight is a factor of each sample's mean in one of them, of the whole in the other: the last digits may differ.
    expect(loss).toBeCloseTo((i < 3 ? before : after)[i]!, 5);
    expect(before[i]).not.toBeCloseTo(after[i]!, 3);
  }
}, 240_000);

it('goes on to the same bytes from before the step and from after it, and is the same with two workers', async () => {
  await trainings.copyRuns('early', 'late', 'two');
  const whole = await trainings.run('train');
  expect(whole.exitCode, whole.stderr).toBe(0);
  const unbroken = await weights(whole.output);
  for (const [runs, step] of [
    ['early', 3],
    ['late', 6],
  ] as const) {
    const resumed = await trainings.runTwice('train', step, runs);
    expect(resumed.stdout).toContain(`Continues from step ${step === 3 ? 2 : 4}.`);
    expect(await weights(resumed.output)).toEqual(unbroken);
  }
  const two = await trainings.runInTwo('train');
  const inTwo = await weights(two.output);
  for (const [name, values] of unbroken)
    // Single precision's rounding, which AdamW makes steps of where gradients nearly vanish, over 8 steps.
    expect(inTwo.get(name), name).toBeAllclose(values, { absolute: 1e-3 });
}, 240_000);

it('is told by plan, and refused where it changes nothing or cannot be trained', async () => {
  const planned = await startPipeline(trainings.folder, ['plan', trainings.file, '--verbose']);
  const plan =
    planned.exitCode === 0 ? planned : await startPipeline(trainings.folder, ['plan', trainings.file]);
  expect(plan.stdout).toContain('until step 3');
  const found = (keys: string) =>
    messages(
      pipelineText({
        train: `{ uses: train, latents: latents, steps: 10, model: { name: SiT-S/2, mediators: 4 }, ${keys} }`,
        report: undefined,
      }),
    );
  expect(await found('until: { step: 9, timesteps: uniform }')).toBe('');
  expect(await found('until: { step: 10, timesteps: uniform }')).toContain('would hold to its end');
  expect(await found('until: { step: 5 }')).toContain('until');
  expect(await found('until: { step: 5, lossWeight: velocity }')).toContain('is trained without it');
  expect(await found('until: { step: 5, learningRate: 0.1 }')).toContain('not a key');
});
