import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openSafetensors } from '../../../src/formats/safetensors/reader.js';
import { headGroups } from '../../../src/training/checkpoint-manifest.js';
import { readSavedModel } from '../../../src/weights/saved-files.js';
import { startPipeline, tinyPipeline } from '../../support/tiny-pipeline.js';

let folder: string;

const model = '{ hiddenSize: 16, depth: 3, heads: 4, patchSize: 2, mediators: [4, 0, 1] }';
const common = `learningRate: 0.003, globalBatch: 8, logEverySteps: 1, ema: [0.9, 0.5], checkpoint: { everySteps: 3 }`;
const stages = `
  plain: { uses: train, latents: latents, steps: 10, model: ${model}, ${common} }
  aligned: { uses: train, latents: latents, steps: 10, model: ${model}, ${common}, accumulate: 2, recompute: true, selfAlignment: { untilStep: 7 } }
  further: { uses: train, latents: latents, start: aligned, steps: 2, model: ${model}, ${common}, selfAlignment: { blocks: 1, teacherBlocks: 3 } }
  sample: { uses: sample, model: aligned, autoencoder: autoencoder, count: 2, sampler: { steps: 4 } }
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
  const { exitCode, stdout, stderr } = await startPipeline(
    folder,
    ['run', 'aligned.yaml', '--until', stage, ...set],
    runs,
    env,
  );
  return { exitCode, stdout, stderr, output: join(folder, runs, 'aligned', 'latest', stage) };
}

type Logged = Readonly<Record<'step' | 'loss' | 'dataLoss' | 'selfAlignmentLoss', number>>;

async function logged(output: string): Promise<Logged[]> {
  const text = await readFile(join(output, 'metrics.jsonl'), 'utf8');
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Logged);
}

/** All groups of the last checkpoint. */
async function state(output: string): Promise<Map<string, Float32Array>> {
  const { weights } = await readSavedModel(output);
  const values = new Map<string, Float32Array>();
  for (const group of ['weights', 'average', 'average-0.5', 'firstMoment', 'secondMoment', ...headGroups]) {
    const file = await openSafetensors(join(output, weights.raw.replace('weights.', `${group}.`)));
    for (const name of file.tensors.keys()) values.set(`${group} ${name}`, await file.readFloat32(name));
    await file.close();
  }
  return values;
}

it('acts until its step, resumes to the same bytes, and is the same with two workers', async () => {
  for (const runs of ['killed', 'two'])
    await cp(join(folder, 'runs'), join(folder, runs), { recursive: true, verbatimSymlinks: true });
  const whole = await run('aligned');
  expect(whole.exitCode, whole.stderr).toBe(0);
  const records = await logged(whole.output);
  for (const { step, loss, dataLoss, selfAlignmentLoss } of records) {
    if (step > 7) expect([dataLoss, selfAlignmentLoss]).toEqual([undefined, undefined]);
    else expect(loss).toBeCloseTo(dataLoss + 0.2 * selfAlignmentLoss, 5);
  }
  // The head learns what the average, which hardly moves yet, has after later blocks.
  expect(records[6]!.selfAlignmentLoss).toBeLessThan(records[0]!.selfAlignmentLoss);
  const unbroken = await state(whole.output);
  const ofHead = [...unbroken.keys()].filter((name) => name.includes('selfAlignment'));
  expect(ofHead.map((name) => name.split(' ')[0]).sort()).toEqual(
    headGroups.flatMap((group) => [group, group, group, group]),
  );
  const plain = await run('plain');
  expect(plain.exitCode, plain.stderr).toBe(0);
  // The same points; only the parts of a batch are added in another order.
  expect((await logged(plain.output))[0]!.loss).toBeCloseTo(records[0]!.dataLoss, 5);

  for (const [step, from] of [
    [5, 3],
    [5, 6],
  ] as const) {
    const killed = await run('aligned', 'killed', [], { PIPELINE_KILL_AT: `took step#${step}` });
    expect(killed.exitCode, `from ${from}`).not.toBe(0);
  }
  const resumed = await run('aligned', 'killed');
  expect(resumed.exitCode, resumed.stderr).toBe(0);
  expect(resumed.stdout).toContain('Continues from step');
  expect(await state(resumed.output)).toEqual(unbroken);

  const two = await run('aligned', 'two', ['stages.aligned.runtime.workers=2']);
  expect(two.exitCode, two.stderr).toBe(0);
  const inTwo = await state(two.output);
  for (const [name, values] of unbroken)
    // Single precision's rounding over 10 steps.
    if (/^(average|heads)/.test(name)) expect(inTwo.get(name), name).toBeAllclose(values, { absolute: 2e-5 });

  // Models are read without the head, to sample from and to train on.
  const sampled = await run('sample');
  expect(sampled.exitCode, sampled.stderr).toBe(0);
  const further = await run('further');
  expect(further.exitCode, further.stderr).toBe(0);
  expect((await logged(further.output)).map(({ selfAlignmentLoss }) => selfAlignmentLoss > 0)).toEqual([
    true,
    true,
  ]);
}, 300_000);

it('is told by `plan`, with its operations and memory', async () => {
  const planned = await startPipeline(folder, [
    ...['plan', 'aligned.yaml', '--force', 'aligned', '--force', 'plain'],
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
  const text = await readFile(join(folder, 'aligned.yaml'), 'utf8');
  await writeFile(join(folder, 'refused.yaml'), text.replace('untilStep: 7', keys));
  const planned = await startPipeline(folder, ['validate', 'refused.yaml']);
  expect(planned.exitCode).toBe(2);
  expect(planned.stdout + planned.stderr).toContain(message);
});
