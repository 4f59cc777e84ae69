import { afterAll, beforeAll, expect, it } from 'vitest';
import { headGroups } from '../../../../src/training/checkpoint-manifest.js';
import { startPipeline } from '../../../support/tiny-pipeline.js';
import { loggedIn, stateIn, TinyTrainings } from '../../../support/tiny-trainings.js';

let trainings: TinyTrainings;

const model = '{ hiddenSize: 16, depth: 3, heads: 4, patchSize: 2, mediators: [4, 0, 1] }';
const common = `learningRate: 0.003, globalBatch: 8, logEverySteps: 1, ema: [0.9, 0.5], checkpoint: { everySteps: 3 }`;
const stages = `
  plain: { uses: train, latents: latents, steps: 10, model: ${model}, ${common} }
  aligned: { uses: train, latents: latents, steps: 10, model: ${model}, ${common}, accumulate: 2, recompute: true, selfAlignment: { untilStep: 7 } }
  further: { uses: train, latents: latents, start: aligned, steps: 2, model: ${model}, ${common}, selfAlignment: { blocks: 1, teacherBlocks: 3 } }
  sample: { uses: sample, model: aligned, autoencoder: autoencoder, count: 2, sampler: { steps: 4 } }
`;

beforeAll(async () => {
  trainings = await TinyTrainings.open('aligned', stages, 'latents');
}, 240_000);

afterAll(() => trainings.close());

const groups = [
  ...(['weights', 'average', 'average-0.5', 'firstMoment', 'secondMoment'] as const),
  ...headGroups,
];

type Logged = Readonly<Record<'step' | 'loss' | 'totalLoss' | 'selfAlignmentLoss', number>>;

it('acts until its step, resumes to the same bytes, and is the same with two workers', async () => {
  await trainings.copyRuns('killed', 'two');
  const whole = await trainings.run('aligned');
  expect(whole.exitCode, whole.stderr).toBe(0);
  const records = await loggedIn<Logged>(whole.output);
  for (const { step, loss, totalLoss, selfAlignmentLoss } of records) {
    if (step > 7) expect([totalLoss, selfAlignmentLoss]).toEqual([undefined, undefined]);
    else expect(totalLoss).toBeCloseTo(loss + 0.2 * selfAlignmentLoss, 5);
  }
  // The head learns what the average, which hardly moves yet, has after later blocks.
  expect(records[6]!.selfAlignmentLoss).toBeLessThan(records[0]!.selfAlignmentLoss);
  const unbroken = await stateIn(whole.output, groups);
  const ofHead = [...unbroken.keys()].filter((name) => name.includes('selfAlignment'));
  expect(ofHead.map((name) => name.split(' ')[0]).sort()).toEqual(
    headGroups.flatMap((group) => [group, group, group, group]),
  );
  const plain = await trainings.run('plain');
  expect(plain.exitCode, plain.stderr).toBe(0);
  // The same points; only the parts of a batch are added in another order.
  expect((await loggedIn<Logged>(plain.output))[0]!.loss).toBeCloseTo(records[0]!.loss, 5);

  for (const [step, from] of [
    [5, 3],
    [5, 6],
  ] as const) {
    const killed = await trainings.run('aligned', 'killed', [], { PIPELINE_KILL_AT: `took step#${step}` });
    expect(killed.exitCode, `from ${from}`).not.toBe(0);
  }
  const resumed = await trainings.run('aligned', 'killed');
  expect(resumed.exitCode, resumed.stderr).toBe(0);
  expect(resumed.stdout).toContain('Continues from step');
  expect(await stateIn(resumed.output, groups)).toEqual(unbroken);

  const two = await trainings.runInTwo('aligned');
  const inTwo = await stateIn(two.output, groups);
  for (const [name, values] of unbroken)
    // Single precision's rounding over 10 steps.
    if (/^(average|heads)/.test(name)) expect(inTwo.get(name), name).toBeAllclose(values, { absolute: 2e-5 });

  // Models are read without the head, to sample from and to train on.
  const sampled = await trainings.run('sample');
  expect(sampled.exitCode, sampled.stderr).toBe(0);
  const further = await trainings.run('further');
  expect(further.exitCode, further.stderr).toBe(0);
  expect(
    (await loggedIn<Logged>(further.output)).map(({ selfAlignmentLoss }) => selfAlignmentLoss > 0),
  ).toEqual([true, true]);
}, 300_000);

it('is told by `plan`, with its operations and memory', async () => {
  const planned = await startPipeline(trainings.folder, [
    ...['plan', trainings.file, '--force', 'aligned', '--force', 'plain'],
    ...['--set', 'stages.aligned.accumulate=1', '--set', 'stages.aligned.recompute=false'],
  ]);
  expect(planned.stdout, planned.stderr).toMatch(
    /self-alignment: blocks 1 with blocks 2 of the average, 0\.00 GFLOPs a sample more, 1,072 parameters beside the model, before step 7/,
  );
  const megabytes = (stage: string) =>
    Number(new RegExp(`^${stage} +runs [^]*?memory: about (\\d+) MB`, 'm').exec(planned.stdout)![1]);
  expect(megabytes('aligned')).toBeGreaterThan(megabytes('plain'));
});

it.each([
  ['blocks: 4', 'The model has 3 blocks: there are no tokens after 4.'],
  ['blocks: 2, teacherBlocks: 1', '`teacherBlocks: 1` comes before `blocks: 2`'],
  ['untilStep: 10', 'The training has 10 steps, and none from step 10 on.'],
])('is refused with %s', async (keys, message) => {
  const { exitCode, told } = await trainings.lookAt('validate', (text) => text.replace('untilStep: 7', keys));
  expect(exitCode).toBe(2);
  expect(told).toContain(message);
});
