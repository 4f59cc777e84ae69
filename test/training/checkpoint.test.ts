import {
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openTensors } from '../../src/formats/safetensors/shards.js';
import { normal } from '../../src/nn/parameter.js';
import { float32 } from '../../src/tensorflow/data-types.js';
import { nativeBackend, Session, type Tensor, tf } from '../../src/tensorflow/index.js';
import {
  checkpointPath,
  groupPath,
  latestCheckpoint,
  pruneCheckpoints,
  restoreCheckpoint,
  saveCheckpoint,
} from '../../src/training/checkpoint.js';
import { openTrainer } from '../../src/training/open-trainer.js';
import { startOf, type Trainer } from '../../src/training/trainer.js';
import { mountSmall, unmount } from '../support/small-file-system.js';
import { temporaryFolder } from '../support/temporary-folder.js';

/** Not in the order of their names, in which files hold them. */
const parameters = [
  { name: 'w', shape: [6, 5], initial: normal(1) },
  { name: 'b', shape: [5], initial: normal(1) },
  { name: 'a', shape: [5, 40], initial: normal(1) },
];
const start = Object.fromEntries(
  parameters.map(({ name, shape }) => {
    const size = shape.reduce((a, b) => a * b);
    return [
      name,
      float32(
        shape,
        Float32Array.from({ length: size }, (_, i) => Math.sin(i + size)),
      ),
    ];
  }),
);
const batch = {
  x: float32(
    [4, 6],
    Float32Array.from({ length: 24 }, (_, i) => (i - 11) / 7),
  ),
};

let session: Session;
let trainer: Trainer;
/** One folder of whole checkpoints of steps 1 and 2, to be copied. */
let saved: string;

beforeAll(async () => {
  nativeBackend();
  session = new Session();
  trainer = openTrainer(session, {
    parameters,
    inputs: { x: { dtype: 'float32', shape: [4, 6] } },
    loss: ({ x }, { w, b, a }) => ({
      loss: tf
        .matMul(tf.matMul(x as Tensor, w!).add(b!), a!)
        .square()
        .mean(),
    }),
    optimizer: { betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0.01 },
    averageDecays: [0.9, 0.5],
    gradientClip: 0,
  });
  saved = await mkdtemp(join(tmpdir(), 'checkpoints-'));
  await trainer.start(startOf(start));
  for (const step of [1, 2]) {
    await trainer.step(batch, 0.01, step - 1);
    await saveCheckpoint(saved, trainer, { step, extra: {} });
  }
});

afterAll(async () => {
  await session.close();
  await rm(saved, { recursive: true, force: true });
});

let folder: string;

beforeEach(async () => {
  folder = await temporaryFolder('checkpoint');
});

async function withSaved(): Promise<void> {
  await cp(saved, folder, { recursive: true });
}

/** Every number of the state. */
async function state(): Promise<Record<string, number[]>> {
  const all: Record<string, number[]> = {};
  for (const group of trainer.groups)
    for await (const [name, { data }] of trainer.read(group)) all[`${group} ${name}`] = [...data];
  return all;
}

/** The step that training would go on from, and what is said of others. */
async function found(): Promise<[step: number | undefined, warnings: string[]]> {
  const warnings: string[] = [];
  const checkpoint = await latestCheckpoint(folder, (message) => warnings.push(message));
  return [checkpoint?.step, warnings];
}

const step2 = () => checkpointPath(folder, 2);
const files = [
  ...['weights', 'average', 'average-0.5', 'firstMoment', 'secondMoment'].map(
    (group) => `${group}.safetensors`,
  ),
  'manifest.json',
];

describe('a checkpoint', () => {
  it('holds the files that the tests below damage', async () => {
    await withSaved();
    expect((await readdir(step2())).sort()).toEqual([...files].sort());
  });

  it('restores every number, and training goes on as if it had not stopped', async () => {
    await trainer.start(startOf(start));
    for (let i = 0; i < 3; i++) await trainer.step(batch, 0.01, i);
    await saveCheckpoint(folder, trainer, { step: 3, extra: { note: 'x' } });
    const before = await state();
    const next = await trainer.step(batch, 0.01, 3);
    const after = await state();
    await trainer.start(startOf(start));
    const checkpoint = await latestCheckpoint<{ note: string }>(folder);
    expect(checkpoint).toMatchObject({ step: 3, extra: { note: 'x' } });
    await restoreCheckpoint(checkpoint!, trainer);
    expect(await state()).toEqual(before);
    expect(await trainer.step(batch, 0.01, 3)).toEqual(next);
    expect(await state()).toEqual(after);
  });

  it('is in files below a limit, whatever it is, with an index that leads to each tensor', async () => {
    const before = await state();
    const limit = 1000;
    const { path } = await saveCheckpoint(folder, trainer, { step: 4, extra: {} }, { limit });
    const names = (await readdir(path)).filter((name) => name.startsWith('weights'));
    expect(names.sort()).toEqual([
      'weights-00001-of-00002.safetensors',
      'weights-00002-of-00002.safetensors',
      'weights.safetensors.index.json',
    ]);
    for (const name of names) expect((await stat(join(path, name))).size).toBeLessThanOrEqual(limit);
    const file = await openTensors(groupPath(path, 'weights'));
    expect([...file.tensors.keys()]).toEqual(['a', 'b', 'w']);
    expect([...(await file.readFloat32('w'))]).toEqual(before['weights w']);
    await expect(file.readFloat32('z')).rejects.toThrow('expected a tensor "z"');
    await file.close();
    await trainer.start(startOf(start));
    await restoreCheckpoint((await latestCheckpoint(folder))!, trainer);
    expect(await state()).toEqual(before);
  });
});

describe('a damaged checkpoint is named, and the one before it is used:', () => {
  it.each(files)('any bit of %s', async (name) => {
    await withSaved();
    const path = join(step2(), name);
    const bytes = await readFile(path);
    // Of the header or the manifest, of the middle and of the end; the manifest ends with a line feed, which says nothing.
    for (const at of [0, 9, bytes.length >> 1, bytes.length - 2]) {
      for (const bit of [1, 128]) {
        const flipped = Buffer.from(bytes);
        flipped[at]! ^= bit;
        await writeFile(path, flipped);
        const [step, warnings] = await found();
        expect(step, `byte ${at}, bit ${bit}`).toBe(1);
        expect(warnings).toEqual([
          expect.stringContaining(
            `The checkpoint step-000000002 is damaged (${name} ${name === 'manifest.json' ? '' : 'is not what was written'}`,
          ),
        ]);
      }
    }
  });

  it.each(files)('%s cut short, or gone', async (name) => {
    await withSaved();
    const path = join(step2(), name);
    const { size } = await stat(path);
    for (const length of [size - 2, 10, 0]) {
      await truncate(path, length);
      const [step, warnings] = await found();
      expect(step, `${length} bytes`).toBe(1);
      const problem =
        name === 'manifest.json'
          ? `manifest.json ${length === 0 ? 'is empty' : 'is not valid JSON'}`
          : `${name} has ${length} bytes instead of ${size}`;
      expect(warnings).toEqual([`The checkpoint step-000000002 is damaged (${problem}) and is not used.`]);
    }
    await rm(path);
    const [step, warnings] = await found();
    expect(step).toBe(1);
    expect(warnings).toEqual([expect.stringContaining(name)]);
  });

  it('a number of the manifest, even where it is valid', async () => {
    await withSaved();
    const path = join(step2(), 'manifest.json');
    await writeFile(path, (await readFile(path, 'utf8')).replace('"step": 2', '"step": 3'));
    expect(await found()).toEqual([
      1,
      ['The checkpoint step-000000002 is damaged (manifest.json is not what was written) and is not used.'],
    ]);
  });

  it('a folder that was not written to its end, which the next one that is removes', async () => {
    await withSaved();
    await rename(step2(), `${step2()}.partial`);
    expect(await found()).toEqual([
      1,
      ['The checkpoint step-000000002 was not written to its end and is not used.'],
    ]);
    await saveCheckpoint(folder, trainer, { step: 3, extra: {} });
    await pruneCheckpoints(folder, { keepLast: 5, isKept: () => false });
    expect((await readdir(folder)).sort()).toEqual(['step-000000001', 'step-000000003']);
  });
});

describe('pruning', () => {
  it('keeps the newest, and those kept for good', async () => {
    for (const step of [1, 2, 10, 11]) await saveCheckpoint(folder, trainer, { step, extra: {} });
    await pruneCheckpoints(folder, { keepLast: 2, isKept: (step) => step === 1 });
    expect((await readdir(folder)).sort()).toEqual(['step-000000001', 'step-000000010', 'step-000000011']);
  });

  it('never deletes the last one that is whole', async () => {
    for (const step of [1, 2, 3]) await saveCheckpoint(folder, trainer, { step, extra: {} });
    for (const step of [2, 3])
      await writeFile(join(folder, `step-00000000${step}`, 'weights.safetensors'), 'x');
    await pruneCheckpoints(folder, { keepLast: 1, isKept: () => false });
    expect((await readdir(folder)).sort()).toEqual(['step-000000001', 'step-000000003']);
    expect((await latestCheckpoint(folder))?.step).toBe(1);
  });
});

describe('a full disk', () => {
  it('is said to be one, and the checkpoint before stays whole', async ({ skip }) => {
    const disk = join(folder, 'disk');
    await mkdir(disk);
    // Room for one checkpoint and a half: each has 5 files of a page or two, and its manifest.
    const reason = mountSmall(disk, 36);
    if (reason !== undefined) skip(reason);
    try {
      folder = disk;
      await saveCheckpoint(disk, trainer, { step: 1, extra: {} });
      await expect(saveCheckpoint(disk, trainer, { step: 2, extra: {} })).rejects.toMatchObject({
        code: 'disk-full',
        message: expect.stringContaining('there is no space left on the disk') as string,
      });
      expect(await readdir(disk)).toEqual(['step-000000001']);
      expect(await found()).toEqual([1, []]);
    } finally {
      unmount(disk);
    }
  });
});
