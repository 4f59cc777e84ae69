import { afterAll, beforeAll, expect, it } from 'vitest';
import { whyNoBfloat16 } from '../../support/bfloat16.js';
import { loggedIn, stateIn, TinyTrainings } from '../../support/tiny-trainings.js';
import { startPipeline } from '../../support/tiny-pipeline.js';

let trainings: TinyTrainings;

const model = '{ hiddenSize: 16, depth: 5, heads: 4, patchSize: 1, mediators: [4, 9, 0, 16, 1] }';
const today = `{ hiddenSize: 16, depth: 5, heads: 4, patchSize: 1, mediators: [4, 9, 0, 0, 4], rmsNorm: true, swiGlu: true, rope: true, qkNorm: true, mediatorExtras: true }`;
const common = `learningRate: 0.01, globalBatch: 8, logEverySteps: 1, ema: 0.5, checkpoint: { everySteps: 3 }`;
const methods = `selfAlignment: { blocks: 2 }, featureAlignment: { images: images, blocks: 3 }, modelGuidance: { scale: 1.5, fromStep: 2 }`;
const stages = `
  pixels: { uses: autoencoder, weights: none }
  plain: { uses: train, latents: latents, steps: 8, model: ${model}, ${common} }
  none: { uses: train, latents: latents, steps: 8, model: ${model}, ${common}, tokenRouting: { share: 0 } }
  routed: { uses: train, latents: latents, steps: 8, model: ${model}, ${common}, accumulate: 2, recompute: true, tokenRouting: { untilStep: 6 } }
  every: { uses: train, latents: latents, steps: 4, model: ${today}, ${common}, tokenRouting: { share: 0.6, blocks: [0, 3] }, ${methods}, teacher: { model: plain } }
  ofPixels: { uses: train, images: images, autoencoder: pixels, steps: 3, model: { hiddenSize: 16, depth: 3, heads: 4, patchSize: 4, mediators: 4, rope: true, valueResidual: true }, ${common}, prediction: data, lossWeight: velocity, tokenRouting: {} }
`;

beforeAll(async () => {
  trainings = await TinyTrainings.open('routed', stages, 'latents');
}, 240_000);

afterAll(() => trainings.close());

interface Trained {
  readonly records: readonly { readonly step: number; readonly loss: number }[];
  readonly state: ReadonlyMap<string, Float32Array>;
}
const known = new Map<string, Promise<Trained>>();

/** Trains a stage, if it has not been, and gives what it logged and its last state. */
function trained(stage: string, runs = 'runs', settings: readonly string[] = []): Promise<Trained> {
  const train = async (): Promise<Trained> => {
    const { exitCode, stderr, output } = await trainings.run(stage, runs, settings);
    expect(exitCode, stderr).toBe(0);
    return { records: await loggedIn(output), state: await stateIn(output) };
  };
  const key = `${runs} ${stage}`;
  const found = known.get(key) ?? train();
  known.set(key, found);
  return found;
}

it('acts until its step, resumes to the same bytes, and is the same with two workers', async () => {
  await trainings.copyRuns('killed', 'two', 'half');
  const [whole, plain] = [await trained('routed'), await trained('plain')];
  const lossAt = ({ records }: Trained, step: number) => records[step - 1]!.loss;
  // Blocks of a model that begins do nothing, whichever tokens they take.
  expect(lossAt(whole, 1)).toBeCloseTo(lossAt(plain, 1), 5);
  expect(Math.abs(lossAt(whole, 4) - lossAt(plain, 4))).toBeGreaterThan(1e-4);

  const resumed = await trainings.runTwice('routed', 5);
  expect(resumed.stdout).toContain('Continues from step 3.');
  expect(await stateIn(resumed.output)).toEqual(whole.state);

  const two = await trained('routed', 'two', ['stages.routed.runtime.workers=2']);
  for (const [name, values] of whole.state)
    // Single precision's rounding over 8 steps.
    if (name.startsWith('average'))
      expect(two.state.get(name), name).toBeAllclose(values, { absolute: 1e-4 });
}, 300_000);

it('changes nothing with a share of 0', async () => {
  expect((await trained('none')).state).toEqual((await trained('plain')).state);
}, 120_000);

it.each(['every', 'ofPixels'])(
  'trains every weight with what else there is: %s',
  async (stage) => {
    const { records, state } = await trained(stage);
    for (const { loss } of records) expect(loss).not.toBeNaN();
    for (const [name, values] of state)
      if (name.startsWith('secondMoment'))
        expect(
          values.some((value) => value > 0),
          name,
        ).toBe(true);
  },
  240_000,
);

it('trains in bfloat16 nearly as in float32', async ({ skip }) => {
  if (whyNoBfloat16 !== undefined) skip(whyNoBfloat16);
  const half = await trained('routed', 'half', ['stages.routed.runtime.precision=bfloat16']);
  const { records } = await trained('routed');
  // Three digits of bfloat16, over eight steps.
  for (const [i, { loss }] of half.records.entries()) expect(loss / records[i]!.loss).toBeCloseTo(1, 1);
}, 240_000);

it('is told by `plan`, with what it saves', async () => {
  const planned = await startPipeline(trainings.folder, [
    ...['plan', trainings.file, '--force', 'routed', '--force', 'ofPixels', '--force', 'plain'],
  ]);
  expect(planned.stdout, planned.stderr).toMatch(
    /token routing: 8 of 16 tokens in blocks 1 to 3, 0\.00 GFLOPs a sample less, before step 6/,
  );
  expect(planned.stdout).toMatch(/token routing: 8 of 16 tokens in block 1, 0\.00 GFLOPs a sample less$/m);
});

it.each([
  [
    'blocks: [1, 4]',
    'The model has 5 blocks: tokens that bypass block 4 would join the others in none after it.',
  ],
  ['blocks: [3, 1]', 'there is none from 3 to 1'],
  ['share: 0.05', '`share: 0.05` of 16 tokens is less than one token.'],
  ['share: 1', 'less than 1'],
  ['untilStep: 8', 'The training has 8 steps, and none from step 8 on.'],
])('is refused with %s', async (keys, message) => {
  const { exitCode, told } = await trainings.lookAt('validate', (text) => text.replace('untilStep: 6', keys));
  expect(exitCode).toBe(2);
  expect(told).toContain(message);
});
