import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { lastValueFrom, toArray } from 'rxjs';
import { expect, it } from 'vitest';
import type { StageContext } from '../../src/runner/stage.js';
import { lossAtTheEnd } from '../../src/stages/training/logs.js';
import { type TrainingJob, trainingSteps } from '../../src/stages/training/stream.js';
import type { Trainer } from '../../src/training/trainer.js';

/** Runs a training whose step i, from 0, has the loss `losses[i]`, and changes nothing where that is not finite. */
async function train(losses: readonly number[], more: Partial<TrainingJob> = {}) {
  const updates: number[] = [];
  let taken = 0;
  const trainer = {
    groups: [],
    step: (_inputs: unknown, _rate: number, made: number) => {
      updates.push(made);
      const loss = losses[taken++]!;
      return Promise.resolve({
        loss,
        gradientNorm: 1,
        applied: Number.isFinite(loss),
        figures: {},
        stop: false,
      });
    },
    restoreLossScale: () => undefined,
    lossScale: undefined,
  } as unknown as Trainer;
  const totalSteps = losses.length;
  const job: TrainingJob = {
    trainer,
    start: () => Promise.resolve(),
    load: () => Promise.resolve({}),
    schedule: { kind: 'constant', learningRate: 1, warmupSteps: 0, totalSteps },
    logEverySteps: 1000,
    records: { config: { tensorboard: false }, samples: 1 },
    checkpoint: { keepLast: 1, isDue: () => false, isKept: () => false },
    ...more,
  };
  const context = {
    directory: await mkdtemp(join(tmpdir(), 'steps-')),
    signal: new AbortController().signal,
  } as StageContext;
  const run = lastValueFrom(trainingSteps(job, context).pipe(toArray()));
  return { run, updates };
}

it('ends with the step named when ten losses in a row are not finite', async () => {
  const { run, updates } = await train([1, 1, ...new Array<number>(30).fill(NaN)]);
  await expect(run).rejects.toMatchObject({
    code: 'loss-not-finite',
    message: 'At step 12 the loss is NaN, and loss or gradients were not finite in the last 10 steps.',
  });
  // Two steps changed the weights; none is taken after the tenth that did not.
  expect(updates).toEqual([0, 1, ...new Array<number>(10).fill(2)]);
});

it('tells within an evaluation, which may take hours, that it goes on: at the step before', async () => {
  const { run } = await train([1, 1], {
    evaluations: {
      isDue: (step) => step === 2,
      has: () => Promise.resolve(false),
      rewind: () => Promise.resolve(),
      prune: () => Promise.resolve(),
      evaluate: async (_trainer, _step, onImages) => {
        for (let image = 0; image < 2; image++) {
          await sleep(250);
          onImages();
        }
        return { kernelDistance: 1 };
      },
    },
  });
  const told = (await run).map((event) => (event.type === 'progress' ? event.done : event.type));
  expect(told).toEqual([1, 1, 1, 'notice', 2, 'summary']);
});

it('goes on when fewer are not finite at a time', async () => {
  const nine = new Array<number>(9).fill(Infinity);
  const { run, updates } = await train([...nine, 1, ...nine, 1]);
  await expect(run).resolves.toBeDefined();
  expect(updates.at(-1)).toBe(1);
});

it('comes to the loss of the last tenth of its steps, weighted by the steps that each record stands for', () => {
  const records = [
    { step: 50, loss: 9 },
    { step: 90, loss: 5 },
    { step: 96, loss: 2 },
    // An evaluation between two records, and a record of steps that were all skipped.
    { step: 97, kernelDistance: 1 },
    { step: 98, learningRate: 1 },
    { step: 100, loss: 4 },
  ];
  expect(lossAtTheEnd(records, 100)).toBeCloseTo((6 * 2 + 2 * 4) / 8);
  expect(
    lossAtTheEnd(
      [
        { step: 50, loss: 9 },
        { step: 100, loss: 3 },
      ],
      100,
    ),
  ).toBe(3);
  expect(lossAtTheEnd([{ step: 3 }], 3)).toBeUndefined();
  // Parts of the loss that ended before are no figures of the end.
  const ended = [
    { step: 50, loss: 7, totalLoss: 9, selfAlignmentLoss: 2 },
    { step: 90, loss: 5 },
    { step: 100, loss: 4 },
  ];
  expect(lossAtTheEnd(ended, 100)).toBe(4);
  expect(lossAtTheEnd(ended, 100, 'selfAlignmentLoss')).toBeUndefined();
  expect(lossAtTheEnd(ended.slice(0, 1), 50, 'totalLoss')).toBe(9);
  expect(lossAtTheEnd(ended, 100, 'totalLoss')).toBeUndefined();
  expect(lossAtTheEnd([], 0)).toBeUndefined();
});
