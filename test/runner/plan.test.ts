import { mkdir, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Pipeline } from '../../src/runner/pipeline.js';
import { makePlan } from '../../src/runner/plan/plan.js';
import { formatReason } from '../../src/runner/plan/reasons.js';
import type { StageRegistry } from '../../src/runner/stage.js';
import { toyRegistry } from './toy-kinds.js';
import { run, toyFolder, toyPipeline, type ToyStage, toyStages } from './toy-pipeline.js';

let directory: string;
const pipeline = (train = {}, rest = {}): Pipeline => toyPipeline(directory, toyStages(train), rest);

beforeEach(async () => {
  directory = await toyFolder();
});

/** Each stage with why it runs, or `cached`. */
async function reasons(
  planned: Pipeline,
  options: { registry?: StageRegistry; force?: string[] } = {},
): Promise<Record<string, string>> {
  const plan = await makePlan({
    pipeline: planned,
    registry: toyRegistry(),
    runsRoot: join(directory, 'runs'),
    ...options,
  });
  return Object.fromEntries(
    plan.stages.map(({ stage, reasons: why }) => [stage.id, why.map(formatReason).join('; ') || 'cached']),
  );
}

const cached = { images: 'cached', train: 'cached', report: 'cached' };
const fromImages = {
  train: 'unless images gives what it gave before',
  report: 'unless images and train give what they gave before',
};
const fromTrain = { images: 'cached', report: 'upstream: train changed' };

describe('a plan', () => {
  it('says what was never run, and leaves nothing but remembered hashes', async () => {
    const never = 'never run';
    expect(await reasons(pipeline())).toEqual({ images: never, train: never, report: never });
    expect(await readdir(join(directory, 'runs'))).toEqual(['store']);
    expect(await readdir(join(directory, 'runs', 'store'))).toEqual(['.hashes']);
  });

  it('says that all is cached after a run, whatever is renamed or reordered', async () => {
    await run(directory, pipeline());
    expect(await reasons(pipeline())).toEqual(cached);
    const { images, train, report } = toyStages();
    const reordered = {
      report: report!,
      train: { ...train!, config: { steps: 3, latents: 'images' } },
      images: images!,
    };
    expect(await reasons(toyPipeline(directory, reordered, { name: 'renamed' }))).toEqual(cached);
  });

  it('names a key with its old and new value, also where it was added or removed', async () => {
    await run(directory, pipeline({ model: { mediators: [4, 16] }, ema: 0.9 }));
    expect(await reasons(pipeline({ model: { mediators: [4, 64] }, ema: 0.9 }))).toEqual({
      ...fromTrain,
      train: 'stages.train.model.mediators: [4,16] → [4,64]',
    });
    expect(await reasons(pipeline({ model: { mediators: [4, 16] }, steps: 5, warmup: 2 }))).toEqual({
      ...fromTrain,
      train:
        'stages.train.steps: 3 → 5; stages.train.ema: 0.9 → (not set); stages.train.warmup: (not set) → 2',
    });
  });

  it('passes over keys that change no output, and names only others', async () => {
    const trained = (train: Record<string, unknown>): Pipeline => {
      const stages = toyStages(train);
      const withoutEffect = ['logEverySteps', 'checkpoint', 'model.batch'];
      return toyPipeline(directory, { ...stages, train: { ...stages.train!, withoutEffect } });
    };
    const checkpoint = (everySteps: number) => ({
      checkpoint: { everySteps },
      model: { batch: everySteps, size: 1 },
    });
    await run(directory, trained({ logEverySteps: 5, ...checkpoint(7) }));
    expect(await reasons(trained({ logEverySteps: 9, ...checkpoint(8) }))).toEqual(cached);
    expect(await reasons(trained({ steps: 4, ...checkpoint(9) }))).toEqual({
      ...fromTrain,
      train: 'stages.train.steps: 3 → 4',
    });
  });

  it('compares with the nearest of the outputs that the stage had', async () => {
    await run(directory, pipeline({ steps: 3, learningRate: 1 }));
    await run(directory, pipeline({ steps: 4, learningRate: 2, extra: true }));
    expect((await reasons(pipeline({ steps: 5, learningRate: 1 }))).train).toBe('stages.train.steps: 3 → 5');
    expect((await reasons(pipeline({ steps: 5, learningRate: 2, extra: true }))).train).toBe(
      'stages.train.steps: 4 → 5',
    );
  });

  it('names the files of an input that changed', async () => {
    await run(directory, pipeline());
    const data = join(directory, 'data ä');
    await writeFile(join(data, 'a.png'), 'FIRST');
    expect(await reasons(pipeline())).toEqual({ ...fromImages, images: 'data ä: 1 file changed: a.png' });
    await writeFile(join(data, 'ü c.png'), 'third');
    await rm(join(data, 'b.png'));
    expect((await reasons(pipeline())).images).toBe(
      'data ä: 3 files differ (1 changed, 1 added, 1 removed): a.png, ü c.png, b.png',
    );
  });

  it('takes content for what it is: touched, moved or linked, it is the same', async () => {
    await run(directory, pipeline());
    await writeFile(join(directory, 'data ä', 'a.png'), 'first');
    await rename(join(directory, 'data ä'), join(directory, 'elsewhere'));
    await mkdir(join(directory, 'data ä'));
    await symlink('../elsewhere/a.png', join(directory, 'data ä', 'a.png'));
    await symlink('../elsewhere/b.png', join(directory, 'data ä', 'b.png'));
    expect(await reasons(pipeline())).toEqual(cached);
    const stages = toyStages();
    stages.images = { kind: 'images', config: { path: 'elsewhere' } };
    expect(await reasons(toyPipeline(directory, stages))).toEqual(cached);
  });

  it('follows links in circles once', async () => {
    await symlink('..', join(directory, 'data ä', 'up'));
    await symlink('nowhere', join(directory, 'data ä', 'dangling'));
    await run(directory, pipeline());
    expect((await reasons(pipeline())).images).toBe('cached');
  });

  it('tells the seed and the precision to the stages that depend on them only', async () => {
    await run(directory, pipeline());
    expect(await reasons(pipeline({}, { seed: 7 }))).toEqual({ ...fromTrain, train: 'seed: 0 → 7' });
    expect(await reasons(pipeline({}, { precision: 'bfloat16' }))).toEqual({
      ...fromTrain,
      train: 'runtime.precision: float32 → bfloat16',
    });
  });

  it('tells a new version of the code, a removed output, and force', async () => {
    await run(directory, pipeline());
    expect(await reasons(pipeline(), { registry: toyRegistry({ train: { codeVersion: 4 } }) })).toEqual({
      ...fromTrain,
      train: 'code of train: version 3 → 4',
    });
    expect(await reasons(pipeline(), { force: ['train'] })).toEqual({
      images: 'cached',
      train: 'forced',
      report: 'forced, with train',
    });
    await rm(join(directory, 'runs', 'store', 'train'), { recursive: true });
    expect(await reasons(pipeline())).toEqual({
      ...cached,
      train: 'its output was removed',
      report: 'unless train gives what it gave before',
    });
  });

  it('names a reference that leads to another stage', async () => {
    await run(directory, pipeline());
    await writeFile(join(directory, 'extra.txt'), '');
    const stages: Record<string, ToyStage> = {
      ...toyStages({ latents: 'other' }),
      other: { kind: 'images', config: { path: 'extra.txt' } },
    };
    expect((await reasons(toyPipeline(directory, stages))).train).toBe('upstream: other changed');
  });
});
