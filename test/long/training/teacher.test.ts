import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startPipeline } from '../../support/tiny-pipeline.js';
import { loggedIn, stateIn, TinyTrainings } from '../../support/tiny-trainings.js';

let trainings: TinyTrainings;

const student =
  '{ hiddenSize: 16, depth: 3, heads: 4, patchSize: 2, mediators: [4, 0, 1], rmsNorm: true, swiGlu: true, rope: true, valueResidual: true }';
const common = 'globalBatch: 8, logEverySteps: 1, ema: 0.9, checkpoint: { everySteps: 3 }';
const stages = `
  full: { uses: pretrained, path: runs/tiny/latest/train, weights: ema }
  itself:
    { uses: train, latents: latents, start: full, teacher: { model: full, weight: 1 }, steps: 3, learningRate: 1.0e-30, model: { hiddenSize: 32, depth: 2, heads: 2, patchSize: 1, mediators: [4, 0] }, ${common} }
  student:
    { uses: train, latents: latents, teacher: { model: full, weight: 0.75, schedule: linear, guidanceScale: 2 }, accumulate: 2, steps: 10, learningRate: 0.003, model: ${student}, ${common} }
  alone: { uses: train, latents: latents, steps: 10, learningRate: 0.003, model: ${student}, ${common} }
`;

beforeAll(async () => {
  trainings = await TinyTrainings.open('taught', stages, 'train');
}, 240_000);

afterAll(() => trainings.close());

interface Logged {
  readonly step: number;
  readonly loss: number;
  readonly totalLoss: number;
  readonly teacherLoss: number;
}

it('is at no distance from a model that is the teacher itself', async () => {
  const { exitCode, stdout, stderr, output } = await trainings.run('itself');
  expect(exitCode, stderr).toBe(0);
  expect(stdout).toContain('Learns from full; weight 1; 3 of 3 classes known by name.');
  for (const { loss, totalLoss, teacherLoss } of await loggedIn<Logged>(output)) {
    // Two ways of one computation, which may round otherwise.
    expect(teacherLoss).toBeLessThan(1e-9);
    expect(totalLoss).toBe(teacherLoss);
    expect(loss).toBeGreaterThan(0.1);
  }
}, 120_000);

it('draws a model of other sizes towards the teacher, resumes to the same bytes, and is the same with two workers', async () => {
  expect((await trainings.run('full')).exitCode).toBe(0);
  await trainings.copyRuns('killed', 'two');
  const whole = await trainings.run('student');
  expect(whole.exitCode, whole.stderr).toBe(0);
  const records = await loggedIn<Logged>(whole.output);
  for (const { step, loss, totalLoss, teacherLoss } of records) {
    const part = (0.75 * (10 - (step - 1))) / 10;
    expect(totalLoss).toBeCloseTo(part * teacherLoss + (1 - part) * loss, 5);
  }
  const unbroken = await stateIn(whole.output);
  const manifest = JSON.parse(await readFile(join(whole.output, 'manifest.json'), 'utf8')) as {
    summary: Record<string, unknown>;
  };
  expect(manifest.summary).toMatchObject({
    teacher: ['from full', 'weight 0.75, down to 0 (linear)', 'guided by 2', '3 of 3 classes known by name'],
    loss: records.at(-1)!.loss,
    teacherLoss: records.at(-1)!.teacherLoss,
  });
  // What is trained alone sees the same points, and is no nearer to the teacher for it.
  const alone = await trainings.run('alone');
  expect((await loggedIn<Logged>(alone.output))[0]!.loss).toBeCloseTo(records[0]!.loss, 6);
  expect(await stateIn(alone.output)).not.toEqual(unbroken);

  const resumed = await trainings.runTwice('student', 8);
  expect(resumed.stdout).toContain('Continues from step 6.');
  expect(await stateIn(resumed.output)).toEqual(unbroken);

  const two = await trainings.runInTwo('student');
  const inTwo = await stateIn(two.output);
  for (const [name, values] of unbroken)
    // Single precision's rounding over 10 steps.
    if (name.startsWith('average')) expect(inTwo.get(name), name).toBeAllclose(values, { absolute: 1e-5 });
  for (const [i, { teacherLoss }] of (await loggedIn<Logged>(two.output)).entries())
    expect(Math.abs(teacherLoss / records[i]!.teacherLoss - 1)).toBeLessThan(1e-4);
}, 240_000);

it('counts the teacher in the memory and the operations that `plan` tells', async () => {
  const planned = await startPipeline(trainings.folder, [
    'plan',
    trainings.file,
    '--force',
    'student',
    '--force',
    'alone',
  ]);
  expect(planned.stdout, planned.stderr).toContain('GFLOPs a sample more, in every step');
  const megabytes = (stage: string) =>
    Number(new RegExp(`^${stage} [^]*?memory: about (\\d+) MB`, 'm').exec(planned.stdout)![1]);
  expect(megabytes('student')).toBeGreaterThan(megabytes('alone'));
});

it.each([
  ['prediction: noise', 'full, which training learns from, has `prediction: velocity`; here it is `noise`.'],
])('is refused before anything runs with %s', async (change, message) => {
  const { exitCode, told } = await trainings.lookAt('plan', (text) =>
    text.replace('steps: 10,', `steps: 10, ${change},`),
  );
  expect(exitCode).not.toBe(0);
  expect(told).toContain(message);
});
