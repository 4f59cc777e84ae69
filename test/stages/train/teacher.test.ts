import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openSafetensors } from '../../../src/formats/safetensors/reader.js';
import { readSavedModel } from '../../../src/weights/saved-files.js';
import { startPipeline, tinyPipeline } from '../../support/tiny-pipeline.js';

let folder: string;

const student =
  '{ hiddenSize: 16, depth: 3, heads: 4, patchSize: 2, mediators: [4, 0, 1], rmsNorm: true, swiGlu: true, rope: true }';
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
  folder = await tinyPipeline();
  const made = await startPipeline(folder, ['run', 'tiny.yaml', '--until', 'train']);
  expect(made.exitCode, made.stderr).toBe(0);
  const text = await readFile(join(folder, 'tiny.yaml'), 'utf8');
  const head = text.split('  train:\n')[0]!;
  await writeFile(join(folder, 'taught.yaml'), head.replace('name: tiny', 'name: taught') + stages);
}, 240_000);

afterAll(() => rm(folder, { recursive: true }));

async function run(
  stage: string,
  runs = 'runs',
  settings: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
) {
  const set = settings.flatMap((setting) => ['--set', setting]);
  const { exitCode, stdout, stderr } = await startPipeline(
    folder,
    ['run', 'taught.yaml', '--until', stage, ...set],
    runs,
    env,
  );
  return { exitCode, stdout, stderr, output: join(folder, runs, 'taught', 'latest', stage) };
}

interface Logged {
  readonly step: number;
  readonly loss: number;
  readonly dataLoss: number;
  readonly teacherLoss: number;
}

async function logged(output: string): Promise<Logged[]> {
  const text = await readFile(join(output, 'metrics.jsonl'), 'utf8');
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Logged);
}

/** Weights, averages and moments of the last checkpoint. */
async function state(output: string): Promise<Map<string, Float32Array>> {
  const { weights } = await readSavedModel(output);
  const values = new Map<string, Float32Array>();
  for (const group of ['weights', 'average', 'firstMoment', 'secondMoment']) {
    const file = await openSafetensors(join(output, weights.raw.replace('weights.', `${group}.`)));
    for (const name of file.tensors.keys()) values.set(`${group} ${name}`, await file.readFloat32(name));
    await file.close();
  }
  return values;
}

it('is at no distance from a model that is the teacher itself', async () => {
  const { exitCode, stdout, stderr, output } = await run('itself');
  expect(exitCode, stderr).toBe(0);
  expect(stdout).toContain('Learns from full; weight 1; 3 of 3 classes known by name.');
  for (const { loss, dataLoss, teacherLoss } of await logged(output)) {
    // Two ways of one computation, which may round otherwise.
    expect(teacherLoss).toBeLessThan(1e-9);
    expect(loss).toBe(teacherLoss);
    expect(dataLoss).toBeGreaterThan(0.1);
  }
}, 120_000);

it('draws a model of other sizes towards the teacher, resumes to the same bytes, and is the same with two workers', async () => {
  expect((await run('full')).exitCode).toBe(0);
  for (const runs of ['killed', 'two'])
    await cp(join(folder, 'runs'), join(folder, runs), { recursive: true, verbatimSymlinks: true });
  const whole = await run('student');
  expect(whole.exitCode, whole.stderr).toBe(0);
  const records = await logged(whole.output);
  for (const { step, loss, dataLoss, teacherLoss } of records) {
    const part = (0.75 * (10 - (step - 1))) / 10;
    expect(loss).toBeCloseTo(part * teacherLoss + (1 - part) * dataLoss, 5);
  }
  const unbroken = await state(whole.output);
  const manifest = JSON.parse(await readFile(join(whole.output, 'manifest.json'), 'utf8')) as {
    summary: Record<string, unknown>;
  };
  expect(manifest.summary).toMatchObject({
    teacher: ['from full', 'weight 0.75, down to 0 (linear)', 'guided by 2', '3 of 3 classes known by name'],
    dataLoss: records.at(-1)!.dataLoss,
    teacherLoss: records.at(-1)!.teacherLoss,
  });
  // What is trained alone sees the same points, and is no nearer to the teacher for it.
  const alone = await run('alone');
  expect((await logged(alone.output))[0]!.loss).toBeCloseTo(records[0]!.dataLoss, 6);
  expect(await state(alone.output)).not.toEqual(unbroken);

  const killed = await run('student', 'killed', [], { PIPELINE_KILL_AT: 'took step#8' });
  expect(killed.exitCode).not.toBe(0);
  const resumed = await run('student', 'killed');
  expect(resumed.exitCode, resumed.stderr).toBe(0);
  expect(resumed.stdout).toContain('Continues from step 6.');
  expect(await state(resumed.output)).toEqual(unbroken);

  const two = await run('student', 'two', ['stages.student.runtime.workers=2']);
  expect(two.exitCode, two.stderr).toBe(0);
  const inTwo = await state(two.output);
  for (const [name, values] of unbroken)
    // Single precision's rounding over 10 steps.
    if (name.startsWith('average')) expect(inTwo.get(name), name).toBeAllclose(values, { absolute: 1e-5 });
  for (const [i, { teacherLoss }] of (await logged(two.output)).entries())
    expect(Math.abs(teacherLoss / records[i]!.teacherLoss - 1)).toBeLessThan(1e-4);
}, 240_000);

it('counts the teacher in the memory and the operations that `plan` tells', async () => {
  const planned = await startPipeline(folder, [
    'plan',
    'taught.yaml',
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
  const text = await readFile(join(folder, 'taught.yaml'), 'utf8');
  await writeFile(join(folder, 'refused.yaml'), text.replace('steps: 10,', `steps: 10, ${change},`));
  const planned = await startPipeline(folder, ['plan', 'refused.yaml']);
  expect(planned.exitCode).not.toBe(0);
  expect(planned.stderr + planned.stdout).toContain(message);
});
