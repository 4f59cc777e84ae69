import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openSafetensors } from '../../../src/formats/safetensors/reader.js';
import { readSavedModel } from '../../../src/weights/saved-files.js';
import { startPipeline, tinyPipeline } from '../../support/tiny-pipeline.js';

let folder: string;

const model = '{ hiddenSize: 16, depth: 2, heads: 4, patchSize: 2, mediators: [4, 0] }';
const common = `latents: latents, steps: 8, learningRate: 0.01, globalBatch: 8, logEverySteps: 1, ema: 0.5, checkpoint: { everySteps: 3 }`;
const stages = `
  plain: { uses: train, model: ${model}, ${common} }
  guided: { uses: train, model: ${model}, ${common}, accumulate: 2, modelGuidance: { scale: 3, fromStep: 4 } }
`;

beforeAll(async () => {
  folder = await tinyPipeline();
  const made = await startPipeline(folder, ['run', 'tiny.yaml', '--until', 'latents']);
  expect(made.exitCode, made.stderr).toBe(0);
  const text = await readFile(join(folder, 'tiny.yaml'), 'utf8');
  const head = text.split('  train:\n')[0]!;
  await writeFile(join(folder, 'guided.yaml'), head.replace('name: tiny', 'name: guided') + stages);
}, 240_000);

afterAll(() => rm(folder, { recursive: true }));

async function run(
  stage: string,
  runs = 'runs',
  settings: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
) {
  const set = settings.flatMap((setting) => ['--set', setting]);
  const args = ['run', 'guided.yaml', '--until', stage, ...set];
  const { exitCode, stdout, stderr } = await startPipeline(folder, args, runs, env);
  return { exitCode, stdout, stderr, output: join(folder, runs, 'guided', 'latest', stage) };
}

interface Logged {
  readonly step: number;
  readonly loss: number;
  readonly dataLoss?: number;
}

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
  for (const group of ['weights', 'average', 'firstMoment', 'secondMoment']) {
    const file = await openSafetensors(join(output, weights.raw.replace('weights.', `${group}.`)));
    for (const name of file.tensors.keys()) values.set(`${group} ${name}`, await file.readFloat32(name));
    await file.close();
  }
  return values;
}

it('acts from its step on, resumes to the same bytes, and is the same with two workers', async () => {
  for (const runs of ['killed', 'two'])
    await cp(join(folder, 'runs'), join(folder, runs), { recursive: true, verbatimSymlinks: true });
  const whole = await run('guided');
  expect(whole.exitCode, whole.stderr).toBe(0);
  const records = await logged(whole.output);
  const unbroken = await state(whole.output);
  const others = await logged((await run('plain')).output);
  for (const [i, { step, loss, dataLoss }] of records.entries()) {
    // Parts of a batch are added in another order.
    if (step <= 5) expect(dataLoss ?? loss).toBeCloseTo(others[i]!.loss, 4);
    if (step <= 4) expect(dataLoss).toBeUndefined();
    else expect(loss).not.toBe(dataLoss);
  }

  const killed = await run('guided', 'killed', [], { PIPELINE_KILL_AT: 'took step#7' });
  expect(killed.exitCode).not.toBe(0);
  const resumed = await run('guided', 'killed');
  expect(resumed.exitCode, resumed.stderr).toBe(0);
  expect(resumed.stdout).toContain('Continues from step 6.');
  expect(await state(resumed.output)).toEqual(unbroken);

  const two = await run('guided', 'two', ['stages.guided.runtime.workers=2']);
  expect(two.exitCode, two.stderr).toBe(0);
  const inTwo = await state(two.output);
  for (const [name, values] of unbroken)
    // Single precision's rounding over 8 steps.
    if (name.startsWith('average')) expect(inTwo.get(name), name).toBeAllclose(values, { absolute: 1e-4 });
}, 300_000);

it('is told by `plan`', async () => {
  const { stdout, stderr } = await startPipeline(folder, ['plan', 'guided.yaml', '--force', 'guided']);
  expect(stdout, stderr).toContain(
    "model guidance: scale 3 of the average's, with a class and without, from step 4, 0.00 GFLOPs a sample more",
  );
});

it.each([
  ['fromStep: 4', 'fromStep: 8', 'The training has 8 steps, and none from step 8 on.'],
  ['fromStep: 4', 'interval: [0.5, 0.5]', 'The interval from 0.5 to 0.5 holds no time.'],
  [
    'mediators: [4, 0] }, latents: latents, steps: 8, learningRate: 0.01, globalBatch: 8, logEverySteps: 1, ema: 0.5, checkpoint: { everySteps: 3 }, accumulate',
    'mediators: [4, 0], labelDropout: 0 }, latents: latents, steps: 8, accumulate',
    '`labelDropout: 0`',
  ],
  [
    'accumulate: 2',
    'accumulate: 2, samples: { everySteps: 4, autoencoder: autoencoder }',
    '`guidanceScale` 4 would guide them again.',
  ],
  [
    'fromStep: 4 } }',
    'fromStep: 4 } }\n  drawn: { uses: sample, model: guided, autoencoder: autoencoder, count: 2, guidanceScale: 2 }',
    '`guided` draws guided samples itself, by `modelGuidance`; guidance of 2 would guide them again.',
  ],
])('is refused with %s as %s', async (from, to, message) => {
  const text = await readFile(join(folder, 'guided.yaml'), 'utf8');
  await writeFile(join(folder, 'refused.yaml'), text.replace(from, to));
  const found = await startPipeline(folder, ['validate', 'refused.yaml']);
  expect(found.exitCode).toBe(2);
  expect(found.stdout + found.stderr).toContain(message);
});
