import { mkdir, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import { sealJson, unsealJson } from '../../../src/base/sealed.js';
import { environment } from '../../../src/runner/environment.js';
import { fingerprintOf, type Origin } from '../../../src/runner/fingerprint/origin.js';
import { makePlan } from '../../../src/runner/plan/plan.js';
import { expectedTimes } from '../../../src/runner/plan/time.js';
import type { Json, StageKind, StageRate, UntoldTime } from '../../../src/runner/stage.js';
import { formatManifest, type Manifest, outputPlace } from '../../../src/runner/store/manifest.js';
import { toldOfDamage } from '../../support/told-of-damage.js';
import { toyFolder, toyPipeline, toyStages } from '../toy-pipeline.js';
import { toyRegistry } from '../toy-kinds.js';

afterEach(() => {
  vi.unstubAllEnvs();
});

/** The toy's training as one whose time goes by its steps, where its inputs are configured alike. */
const timedRegistry = (more: Partial<StageKind<unknown>> = {}) =>
  toyRegistry({
    train: {
      ...more,
      timing: (config, resolve) => {
        const { steps, latents } = config as { steps: number; latents: string };
        return Promise.resolve({ amount: steps, like: { images: resolve(latents).config as object } });
      },
    },
  });

/** Keeps the record of an output that took some time. Gives its fingerprint. */
async function keepRecord(
  runsRoot: string,
  origin: Origin,
  seconds: number,
  { processor, summary = {} }: { processor?: string; summary?: Readonly<Record<string, Json>> } = {},
): Promise<string> {
  const fingerprint = fingerprintOf(origin);
  const { directory } = outputPlace(runsRoot, origin.kind, fingerprint);
  const madeWith = { ...environment({ threads: 0, workers: 1 }), ...(processor && { processor }) };
  await mkdir(directory, { recursive: true });
  await writeFile(
    join(directory, 'manifest.json'),
    formatManifest({
      ...{ format: 2, kind: origin.kind, fingerprint, origin, summary, madeWith, seconds },
      ...{ createdAt: new Date().toISOString(), files: [] },
    }),
  );
  return fingerprint;
}

it('tells the time of a stage from what those like it took on a machine like this one', async () => {
  vi.stubEnv('PIPELINE_CACHE', await toyFolder());
  const folder = await toyFolder();
  const runsRoot = join(folder, 'runs');
  const pipeline = toyPipeline(folder, toyStages());
  const plan = await makePlan({ pipeline, registry: timedRegistry(), runsRoot });
  const time = async () => [...(await expectedTimes(plan))].map(([id, each]) => ({ id, ...each }));
  const [images, train] = ['images', 'train'].map((id) => plan.stages.find(({ stage }) => stage.id === id)!);
  expect(await time()).toEqual([{ id: 'train', records: 0 }]);

  const read = await keepRecord(runsRoot, images!.origin, 1);
  const config = train!.origin.config as { steps: number };
  const trained = (steps: number, seconds: number, processor?: string) =>
    keepRecord(
      runsRoot,
      {
        ...train!.origin,
        config: { ...config, steps },
        references: train!.origin.references.map((each) => ({ ...each, fingerprint: read })),
      },
      seconds,
      processor === undefined ? {} : { processor },
    );
  await trained(config.steps + 1, 1000, 'another processor');
  expect(await time()).toEqual([{ id: 'train', records: 0 }]);
  await trained(4 * config.steps, 40);
  // A quarter of the work: 10 s, give or take a share that grows with the two halvings.
  const [one] = await time();
  expect(one).toMatchObject({ records: 1, seconds: [expect.closeTo(8, 6), expect.closeTo(12.5, 6)] });
  await trained(2 * config.steps, 24);
  const [both] = await time();
  expect(both).toMatchObject({ records: 2, seconds: [expect.closeTo(8, 6), expect.closeTo(14.4, 6)] });
  // Without what they were made from, nothing tells whether they were alike.
  await rm(outputPlace(runsRoot, 'images', read).directory, { recursive: true });
  expect(await time()).toEqual([{ id: 'train', records: 0 }]);
});

it('measures what no record tells of when it is asked to, and keeps that for a day', async () => {
  const cache = await toyFolder();
  vi.stubEnv('PIPELINE_CACHE', cache);
  const folder = await toyFolder();
  let rate: StageRate | UntoldTime = { setupSeconds: 2, unitSeconds: 0.5 };
  let measured = 0;
  const registry = timedRegistry({
    measure: (_config, _resolve, _runtime, folders) => {
      measured++;
      expect(folders).toEqual({ pipeline: folder, runs: join(folder, 'runs') });
      return Promise.resolve(rate);
    },
  });
  const pipeline = toyPipeline(folder, toyStages());
  const plan = await makePlan({ pipeline, registry, runsRoot: join(folder, 'runs') });
  const { steps } = plan.stages.find(({ stage }) => stage.id === 'train')!.origin.config as { steps: number };
  const told: string[] = [];
  const time = async (asked: boolean) =>
    (await expectedTimes(plan, asked ? (id) => told.push(id) : undefined)).get('train')!;

  expect(await time(false)).toEqual({ records: 0 });
  expect(measured).toBe(0);
  const least = 2 + steps * 0.5;
  const expected = { records: 0, seconds: [least, expect.closeTo(1.4 * least, 6)] };
  expect(await time(true)).toMatchObject(expected);
  expect(told).toEqual(['train']);
  // It is kept: neither another plan nor another question measures again.
  expect(await time(false)).toMatchObject(expected);
  expect(await time(true)).toMatchObject(expected);
  expect(measured).toBe(1);

  const [name] = await readdir(join(cache, 'rates'));
  const path = join(cache, 'rates', name!);
  const kept = await readFile(path, 'utf8');
  await writeFile(path, kept.replace('0.5', '0.7'));
  const { result, told: damage } = await toldOfDamage(() => time(false));
  expect(result).toEqual({ records: 0 });
  expect(damage.join()).toContain(`${path} is damaged`);

  const content = unsealJson(kept);
  const dayAgo = new Date(Date.now() - 25 * 3600 * 1000);
  await writeFile(path, sealJson({ ...content, at: dayAgo.toISOString() }));
  expect(await time(false)).toEqual({ records: 0 });
  // One of a busy machine tells for minutes.
  const minutesAgo = (minutes: number) => new Date(Date.now() - 60_000 * minutes).toISOString();
  await writeFile(path, sealJson({ ...content, at: minutesAgo(9), othersShare: 0.6 }));
  expect(await time(false)).toMatchObject({ ...expected, othersShare: 0.6 });
  await writeFile(path, sealJson({ ...content, at: minutesAgo(11), othersShare: 0.6 }));
  expect(await time(false)).toEqual({ records: 0 });
  await writeFile(path, sealJson({ ...content, at: minutesAgo(11), othersShare: 0.1 }));
  expect(await time(false)).toMatchObject(expected);
  await writeFile(path, sealJson({ ...content, at: dayAgo.toISOString() }));
  // Files of earlier days go when another is written.
  const old = join(cache, 'rates', '0000000000000000.json');
  await writeFile(old, '');
  await utimes(old, dayAgo, dayAgo);
  await time(true);
  expect(await readdir(join(cache, 'rates'))).toEqual([name]);

  rate = { untold: 'it depends on the weather' };
  await rm(path);
  expect(await time(true)).toEqual({ records: 0, problem: rate.untold });
});

it('takes the records of about as much work as the nearest, and of these the middle half', async () => {
  const { plan, time, ran } = await timedPlan();
  const steps = stepsOf(plan);
  for (const seconds of [9, 10, 10, 30]) await ran(steps, seconds);
  // Twice the work is as near as counts; four times is not, where there is nearer.
  await ran(4 * steps, 400);
  expect(await time()).toEqual({ records: 2, seconds: [expect.closeTo(10 / 1.15, 6), 11.5] });
  await ran(2 * steps, 20);
  expect(await time()).toMatchObject({ records: 3, seconds: [expect.closeTo(10 / 1.2, 6), 12] });
});

it('adds up work of several sorts, each at its own speed', async () => {
  const summaryOf = async ({ directory }: { directory: string }) =>
    (JSON.parse(await readFile(join(directory, 'manifest.json'), 'utf8')) as Manifest).summary as unknown as {
      readonly work: Record<string, number>;
      readonly speed: Record<string, number>;
    };
  const { plan, time, ran } = await timedPlan({
    timing: async (config, _resolve, made) => {
      const { steps } = config as { steps: number };
      const amount = made === undefined ? { slow: steps, quick: 2 * steps } : (await summaryOf(made)).work;
      return { amount, like: {} };
    },
    unitSeconds: async (made) => (await summaryOf(made)).speed,
    measure: () => Promise.resolve({ setupSeconds: 1, unitSeconds: { slow: 4, quick: 2 } }),
  });
  const steps = stepsOf(plan);
  // Without records, from what was measured.
  expect(await time(true)).toMatchObject({
    seconds: [1 + 8 * steps, expect.closeTo(1.4 * (1 + 8 * steps), 6)],
  });
  // One that did no slow work does not tell how long that takes: what was measured still does.
  await ran(steps + 1, 50, { work: { slow: 0, quick: 10 }, speed: { quick: 3 } });
  expect(await time(true)).toMatchObject({ records: 0, seconds: [1 + 8 * steps, expect.anything()] });
  await ran(steps + 2, 100, { work: { slow: steps, quick: 2 * steps }, speed: { slow: 5, quick: 3 } });
  const set = Math.max(0, 100 - 11 * steps);
  expect(await time()).toMatchObject({
    records: 1,
    seconds: [expect.closeTo((set + 11 * steps) / 1.15, 6), expect.closeTo((set + 11 * steps) * 1.15, 6)],
  });
});

it('tells the time of workers that share a processor from one process with all their threads', async () => {
  const measured: unknown[] = [];
  const timed = (dataParallel: boolean) =>
    timedPlan(
      {
        dataParallel,
        measure: (_config, _resolve, { workers, threads }) => {
          measured.push([workers, threads]);
          return Promise.resolve({ setupSeconds: 1, unitSeconds: 1 });
        },
      },
      { device: 'cpu', workers: 2, threads: 1 },
    );
  const { plan, time } = await timed(true);
  const steps = stepsOf(plan);
  expect(await time(true)).toMatchObject({
    records: 0,
    // Both start; the exchange of gradients takes a part of each step.
    seconds: [2 + steps, expect.closeTo(1.4 * (2 + 1.15 * steps), 6)],
  });
  expect(await (await timed(false)).time(true)).toMatchObject({
    seconds: [1 + steps, expect.closeTo(1.4 * (1 + steps), 6)],
  });
  const threads = Math.min(2, availableParallelism());
  expect(measured).toEqual([
    [1, threads],
    [1, 1],
  ]);
});

it('names the stage that has to run first, where the work depends on what it gives', async () => {
  const { time } = await timedPlan({ timing: () => Promise.resolve(undefined) });
  expect(await time()).toEqual({
    records: 0,
    problem: 'what images gives is not known before it has run',
  });
});

/** A plan whose training is timed, its expected time, and a way to have run such a training before. */
async function timedPlan(more: Partial<StageKind<unknown>> = {}, runtime = {}) {
  vi.stubEnv('PIPELINE_CACHE', await toyFolder());
  const folder = await toyFolder();
  const runsRoot = join(folder, 'runs');
  const pipeline = toyPipeline(folder, toyStages());
  const configured = { ...pipeline, runtime: { ...pipeline.runtime, ...runtime } };
  const timing = (config: unknown) =>
    Promise.resolve({ amount: (config as { steps: number }).steps, like: {} });
  const registry = toyRegistry({ train: { timing, ...more } });
  const plan = await makePlan({ pipeline: configured, registry, runsRoot });
  const { origin } = plan.stages.find(({ stage }) => stage.id === 'train')!;
  let run = 0;
  return {
    plan,
    time: async (asked = false) =>
      (await expectedTimes(plan, asked ? () => undefined : undefined)).get('train')!,
    ran: (steps: number, seconds: number, summary: Readonly<Record<string, Json>> = {}) => {
      const config = { ...(origin.config as object), steps, learningRate: ++run } as Json;
      return keepRecord(runsRoot, { ...origin, config }, seconds, { summary });
    },
  };
}

const stepsOf = ({ stages }: Awaited<ReturnType<typeof makePlan>>): number =>
  (stages.find(({ stage }) => stage.id === 'train')!.origin.config as { steps: number }).steps;
