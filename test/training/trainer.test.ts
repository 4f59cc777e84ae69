import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { normal, zeros } from '../../src/nn/parameters.js';
import { Session, type Tensor, float32, nativeBackend, tf } from '../../src/tensorflow/index.js';
import {
  latestCheckpoint,
  pruneCheckpoints,
  restoreCheckpoint,
  saveCheckpoint,
} from '../../src/training/checkpoint.js';
import { Trainer, stateGroups } from '../../src/training/trainer.js';

const parameters = [
  { name: 'weight', shape: [3, 2], initial: normal(1) },
  { name: 'bias', shape: [2], initial: zeros },
];
const start = {
  weight: float32([3, 2], Float32Array.of(0.1, -0.2, 0.3, 0.4, -0.5, 0.6)),
  bias: float32([2], Float32Array.of(0, 1)),
};
const batch = (scale = 1) => ({
  x: float32(
    [4, 3],
    Float32Array.from({ length: 12 }, (_, i) => (scale * (i - 5)) / 6),
  ),
});

let session: Session;
let folder: string;

beforeEach(async () => {
  nativeBackend();
  session = new Session();
  folder = await mkdtemp(join(tmpdir(), 'trainer-'));
});

afterEach(async () => {
  await session.close();
  await rm(folder, { recursive: true, force: true });
});

async function newTrainer(gradientClip = 0): Promise<Trainer> {
  const trainer = new Trainer(session, {
    parameters,
    inputs: { x: { dtype: 'float32', shape: [4, 3] } },
    loss: ({ x }, { weight, bias }) => {
      const loss = tf
        .matMul(x as Tensor, weight!)
        .add(bias!)
        .square()
        .mean();
      return { loss, figures: { double: loss.mul(2) } };
    },
    optimizer: { betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0.01 },
    averageDecay: 0.9,
    gradientClip,
  });
  await trainer.start(start);
  return trainer;
}

/** Every number of the state. */
async function state(trainer: Trainer): Promise<Record<string, number[]>> {
  const all: Record<string, number[]> = {};
  for (const group of stateGroups)
    for await (const [name, { data }] of trainer.read(group)) all[`${group} ${name}`] = [...data];
  return all;
}

describe('a step', () => {
  it('tells the loss, its gradient norm and figures, and lowers the loss', async () => {
    const trainer = await newTrainer();
    const first = await trainer.step(batch(), 0.01, 0);
    expect(first.applied).toBe(true);
    expect(first.figures.double).toBeCloseTo(2 * first.loss, 6);
    let last = first;
    for (let i = 1; i < 50; i++) last = await trainer.step(batch(), 0.01, i);
    expect(last.loss).toBeLessThan(0.5 * first.loss);
  });

  it('keeps the number of live tensors over 50 steps', async () => {
    const trainer = await newTrainer();
    await trainer.step(batch(), 0.01, 0);
    const before = [tf.memory().numTensors, nativeBackend().eagerTensorCount];
    for (let i = 1; i <= 50; i++) await trainer.step(batch(), 0.01, i);
    expect([tf.memory().numTensors, nativeBackend().eagerTensorCount]).toEqual(before);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, 1e30])(
    'changes nothing where the batch holds %f',
    async (value) => {
      const trainer = await newTrainer();
      await trainer.step(batch(), 0.01, 0);
      const before = await state(trainer);
      const { applied } = await trainer.step(batch(value), 0.01, 1);
      expect(applied).toBe(false);
      expect(await state(trainer)).toEqual(before);
      expect((await trainer.step(batch(), 0.01, 1)).applied).toBe(true);
    },
  );

  it('clips the gradients by their global norm, which Adam does not see in its direction', async () => {
    const free = await newTrainer();
    const clipped = await newTrainer(1e-3);
    const { gradientNorm } = await free.step(batch(), 0.01, 0);
    expect((await clipped.step(batch(), 0.01, 0)).gradientNorm).toBe(gradientNorm);
    const [a, b] = [await state(free), await state(clipped)];
    const ratios = a['firstMoment weight']!.map((moment, i) => b['firstMoment weight']![i]! / moment);
    // First moments are a tenth of the gradients: they shrink as these do. Float32 rounds at 1e-7.
    for (const ratio of ratios) expect(ratio).toBeCloseTo(1e-3 / gradientNorm, 6);
  });
});

describe('a checkpoint', () => {
  it('restores every number, and training goes on as if it had not stopped', async () => {
    const trainer = await newTrainer();
    for (let i = 0; i < 3; i++) await trainer.step(batch(), 0.01, i);
    await saveCheckpoint(folder, trainer, 3, { note: 'x' });
    const saved = await state(trainer);
    const next = await trainer.step(batch(), 0.01, 3);
    const other = await newTrainer();
    const checkpoint = await latestCheckpoint<{ note: string }>(folder);
    expect(checkpoint).toMatchObject({ step: 3, extra: { note: 'x' } });
    await restoreCheckpoint(checkpoint!, other);
    expect(await state(other)).toEqual(saved);
    expect(await other.step(batch(), 0.01, 3)).toEqual(next);
    expect(await state(other)).toEqual(await state(trainer));
  });

  it('is passed over, by name, where a bit of it is not as written', async () => {
    const trainer = await newTrainer();
    await saveCheckpoint(folder, trainer, 1, {});
    const { path } = await saveCheckpoint(folder, trainer, 2, {});
    const file = join(path, 'average.safetensors');
    const bytes = await readFile(file);
    bytes[bytes.length - 1]! ^= 1;
    await writeFile(file, bytes);
    const warnings: string[] = [];
    const found = await latestCheckpoint(folder, (message) => warnings.push(message));
    expect(found?.step).toBe(1);
    expect(warnings).toEqual([
      'The checkpoint step-000000002 is damaged (average.safetensors is not what was written) and is not used.',
    ]);
  });

  it('that was interrupted is not looked at; pruning keeps the newest', async () => {
    const trainer = await newTrainer();
    for (const step of [1, 2, 10]) await saveCheckpoint(folder, trainer, step, {});
    await rm(join(folder, 'step-000000010', 'manifest.json'));
    expect((await latestCheckpoint(folder))?.step).toBe(2);
    await saveCheckpoint(folder, trainer, 11, {});
    await pruneCheckpoints(folder, 2);
    expect((await readdir(folder)).sort()).toEqual(['step-000000010', 'step-000000011']);
  });
});
