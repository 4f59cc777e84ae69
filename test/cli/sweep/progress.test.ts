import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, vi } from 'vitest';
import { readResults } from '../../../src/runner/sweep/results.js';
import { workTime } from '../../../src/runner/sweep/progress.js';
import type { TimedSweepEvent } from '../../../src/runner/sweep/trial.js';
import { sweepParts } from '../../../src/ui/pages/sweep-page.js';
import { eventsOf, ToySweep } from './toy-sweep.js';

type Progress = Extract<TimedSweepEvent, { type: 'sweep-progress' }>;
type Ended = Extract<TimedSweepEvent, { type: 'sweep-finished' | 'sweep-failed' | 'sweep-interrupted' }>;

it('tells how far the whole is, and of a time that agrees with that of its stages', async () => {
  const toy = await ToySweep.create('{ grid: { stages.train.steps: [5, 6, 7] } }');
  const running = toy.sweep('--json');
  await toy.untilTraining(running, 1);
  // While it goes on, its page says so: one trial is at work, two wait.
  const json = join(toy.folder, 'runs', 'toy', 'sweep', 'sweep.json');
  await vi.waitUntil(
    async () => {
      // The file is written beside the training, and may come after it has begun.
      const results = await readResults(json);
      if (results === undefined) return false;
      const now = await sweepParts(results);
      return now.head.totals.some(({ label }) => label === 'of the whole');
    },
    { timeout: 30_000, interval: 20 },
  );
  // So it does between two trials, while the next one's process starts.
  const between: unknown[] = [];
  const over = new AbortController();
  const watching = (async () => {
    while (!over.signal.aborted) {
      await sleep(10);
      const now = await readResults(json);
      const states = now?.trials.map(({ status }) => status) ?? [];
      if (now && states.includes('waiting') && !states.includes('running'))
        between.push([now.underWay, (await sweepParts(now)).head.totals.map(({ label }) => label)[2]]);
    }
  })();
  const { exitCode, stdout } = await running;
  over.abort();
  await watching;
  expect(exitCode).toBe(0);
  expect(between.length).toBeGreaterThan(0);
  expect(new Set(between.map((each) => JSON.stringify(each)))).toEqual(
    new Set([JSON.stringify([true, 'of the whole'])]),
  );
  const events = eventsOf(stdout);
  const progress = events.filter((event): event is Progress => event.type === 'sweep-progress');
  expect(progress.at(0)).toMatchObject({ share: 0, done: 0, trials: 3 });
  expect(progress.at(-1)).toMatchObject({ share: 1, done: 3, trials: 3, secondsLeft: 0 });
  const ended = events.at(-1) as Ended;
  const worked = events.flatMap((event) =>
    event.type === 'trial-event' && event.event.type === 'stage-finished' ? event.event.seconds : [],
  );
  const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
  expect(ended.workedSeconds).toBeCloseTo(sum(worked), 6);
  expect(ended.workedSeconds).toBeLessThan(ended.seconds);
  // Images, autoencoder and latents are made once, and count once.
  const work = workTime(ended.results)!;
  expect(work.seconds).toBeCloseTo(sum(ended.results.map(({ seconds }) => seconds)) + work.sharedSeconds, 6);
  expect(work.seconds).toBeCloseTo(ended.workedSeconds, 1);
  expect((await readResults(json))!.underWay).toBe(false);
  const page = await sweepParts((await readResults(json))!);
  expect(page.head.totals.map(({ label }) => label)).toEqual([
    'trials',
    'done',
    'of work',
    'of it shared by all',
  ]);
});

it('is over for its page when it is killed', async () => {
  const toy = await ToySweep.create('{ grid: { stages.train.steps: [500, 600] } }');
  const sweep = () => toy.start(['sweep', 'toy.yaml', '--json'], { TOY_STEP_MS: '20' });
  const running = sweep();
  await toy.untilTraining(running, 1);
  const json = join(toy.folder, 'runs', 'toy', 'sweep', 'sweep.json');
  await vi.waitUntil(async () => (await readResults(json))?.underWay === true, { timeout: 30_000 });
  running.kill('SIGKILL');
  await running;
  const results = (await readResults(json))!;
  expect(results.underWay).toBe(false);
  expect(results.trials.map(({ status }) => status)).toEqual(['interrupted', 'waiting']);
  const { head } = await sweepParts(results);
  expect(head.totals.map(({ label }) => label)).not.toContain('of the whole');
  // The next one goes on, and is under way again.
  const again = sweep();
  await vi.waitUntil(async () => (await readResults(json))?.underWay === true, { timeout: 30_000 });
  again.kill('SIGINT');
  await again;
  expect((await readResults(json))!.underWay).toBe(false);
});
