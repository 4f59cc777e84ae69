import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { lastValueFrom, toArray } from 'rxjs';
import { expect, it } from 'vitest';
import type { StageContext } from '../../src/runner/stage.js';
import { endsWindow, lossAt, lossAtTheEnd } from '../../src/stages/training/logs.js';
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
  return { run, updates, directory: context.directory };
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

it('comes to the loss of the last tenth of its steps, weighted by the steps of each window', () => {
  const records = [
    { step: 50, loss: 9 },
    { step: 90, loss: 5 },
    { step: 96, loss: 2 },
    // Steps that were all skipped.
    { step: 98 },
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

it('comes to one loss, at its end and on the way, however often it logs', async () => {
  const losses = Array.from({ length: 1_234 }, (_, i) => Math.sin(i));
  const mean = (from: number, to: number): number =>
    losses.slice(from, to).reduce((sum, loss) => sum + loss, 0) / (to - from);
  for (const logEverySteps of [1, 50, 777, 5000]) {
    const { run, directory } = await train(losses, { logEverySteps });
    const { values } = (await run).find((event) => event.type === 'summary')!;
    // From the first window of ten that lies in the last tenth to the last that is whole.
    expect(values.loss).toBeCloseTo(mean(1_120, 1_230), 10);
    for (const step of [1, 30, 1000]) {
      const { loss } = (await lossAt(directory, step))!;
      expect(loss).toBeCloseTo(mean(Math.floor(0.9 * step), step), 10);
    }
    expect(await lossAt(directory, 1_300)).toBeUndefined();
  }
});

it('keeps losses by windows of which each is a hundredth of the steps until then, at most', () => {
  const ends = Array.from({ length: 25_000 }, (_, i) => i + 1).filter(endsWindow);
  expect(ends).toHaveLength(1_000 + 900 + 150);
  const widths = ends.map((end, i) => end - (ends[i - 1] ?? 0));
  expect(widths.every((width, i) => width === 1 || width <= ends[i]! / 100)).toBe(true);
});

it('takes the losses of a training by an earlier version from what it logged, without its evaluations', async () => {
  const { run, directory } = await train(
    Array.from({ length: 40 }, (_, i) => i),
    {
      logEverySteps: 10,
      evaluations: {
        isDue: (step) => step === 35,
        has: () => Promise.resolve(false),
        rewind: () => Promise.resolve(),
        prune: () => Promise.resolve(),
        evaluate: () => Promise.resolve({ kernelDistance: 1 }),
      },
    },
  );
  await run;
  expect(await lossAt(directory, 40)).toEqual({ loss: 37.5 });
  await rm(join(directory, 'losses.jsonl'));
  expect(await readFile(join(directory, 'metrics.jsonl'), 'utf8')).toContain('kernelDistance');
  expect(await lossAt(directory, 40)).toEqual({ loss: 34.5 });
});
