import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { eventsOf, steady, ToySweep, toyYaml } from '../cli/sweep/toy-sweep.js';

// Each of these starts a dozen processes, one after the other.
vi.setConfig({ testTimeout: 180_000 });

const grid = '{ grid: { stages.train.model.mediators: [4, 16, 0] } }';

describe('pipeline sweep', () => {
  it('runs shared stages once, ends with a table, and does nothing the second time', async () => {
    const toy = await ToySweep.create(grid);
    const plan = await toy.sweep('--plan');
    expect(steady(plan.stdout)).toMatchInlineSnapshot(`
      "toy toy.yaml, 3 trials

      shared by all trials
        images  runs  never run
        autoencoder  runs  never run
        latents  runs  never run

      trial-1  mediators 4
        train  runs  never run
        report  runs  never run
      trial-2  mediators 16
        train  runs  never run
        report  runs  never run
      trial-3  mediators 0
        train  runs  never run
        report  runs  never run

      3 of 3 trials to run: 9 stages."
    `);
    const { exitCode, stdout } = await toy.sweep('--parallel', '2');
    expect(exitCode).toBe(0);
    expect(steady(stdout.slice(stdout.indexOf('TRIAL')))).toMatchInlineSnapshot(`
      "TRIAL  MEDIATORS  TRAIN LOSS  STATE  TIME
      trial-1  4  0.2  finished  N s
      trial-2  16  0.2  finished  N s
      trial-3  0  0.2  finished  N s

      Done in N s: 3 finished.
      Stages worked N s, N s of it on what all trials share.
      Table: runs/toy/sweep/sweep.csv, runs/toy/sweep/sweep.json
      Page: runs/toy/sweep/sweep.html"
    `);
    expect(await toy.sessions()).toEqual({
      'images start': 1,
      'autoencoder start': 1,
      'train start': 3,
      'report start': 3,
    });

    // In another order, with a new point and one left out: the ids and what was made stay.
    const before = await toy.results();
    await writeFile(
      join(toy.folder, 'toy.yaml'),
      toyYaml('{ grid: { stages.train.model.mediators: [0, 64, 4] } }'),
    );
    const again = await toy.sweep('--json');
    const ended = eventsOf(again.stdout).flatMap((event) => ('result' in event ? [event.result] : []));
    expect(ended.map(({ status, values }) => [status, ...Object.values(values)])).toEqual([
      ['cached', 0],
      ['cached', 4],
      ['finished', 64],
    ]);
    const facts = [before[2]!, before[0]!].map(({ trial, values, metrics }) => ({ trial, values, metrics }));
    expect(ended.slice(0, 2)).toMatchObject(facts);
    expect(await toy.sessions()).toMatchObject({
      'images start': 1,
      'autoencoder start': 1,
      'train start': 4,
    });
    const csv = await readFile(join(toy.folder, 'runs', 'toy', 'sweep', 'sweep.csv'), 'utf8');
    const [head, ...rows] = csv.trim().split('\n');
    expect(head).toBe(
      'trial,status,stages.train.model.mediators,images.images,autoencoder.loss,autoencoder.steps,latents.latents,train.loss,train.steps,seconds,run,failure',
    );
    expect(rows.map((row) => row.split(',').slice(1, 9).join())).toEqual([
      'cached,0,1,0.2,5,3,0.2,5',
      'finished,64,1,0.2,5,3,0.2,5',
      'cached,4,1,0.2,5,3,0.2,5',
    ]);
  });

  it('goes on after failures when told to, skips what would fail again, and lists causes and logs', async () => {
    const toy = await ToySweep.create(
      '{ grid: { stages.train.steps: [5, 6], stages.autoencoder.steps: [5, 7] } }',
    );
    await toy.break('autoencoder', 1);
    await toy.break('train', 'die');
    const { exitCode, stdout } = await toy.sweep('--keep-going');
    expect(exitCode).toBe(1);
    expect(steady(stdout.slice(stdout.indexOf('TRIAL')))).toMatchInlineSnapshot(`
      "TRIAL  TRAIN.STEPS  AUTOENCODER.STEPS  AUTOENCODER LOSS  STATE  TIME
      trial-1  5  5  failed
      trial-2  5  7  0.1429  failed  N s
      trial-3  6  5  skipped
      trial-4  6  7  0.1429  failed  N s

      trial-1 failed (train.steps 5, autoencoder.steps 5): stage autoencoder: The toy is broken.
        Mend it.
        Log: runs/toy/TIME/autoencoder.log
      trial-2 failed (train.steps 5, autoencoder.steps 7): stage train: Its process ended with exit code 3: The toy has died.
        Log: runs/toy/sweep/trial-2.log
      trial-3 skipped (train.steps 6, autoencoder.steps 5): It needs the same output of autoencoder, which failed in trial trial-1.
      trial-4 failed (train.steps 6, autoencoder.steps 7): stage train: Its process ended with exit code 3: The toy has died.
        Log: runs/toy/sweep/trial-4.log
      Ended after N s: 4 failed.
      Stages worked N s, N s of it on what all trials share.
      Table: runs/toy/sweep/sweep.csv, runs/toy/sweep/sweep.json
      Page: runs/toy/sweep/sweep.html"
    `);
    await toy.break('train', 0);
    expect((await toy.sweep()).exitCode).toBe(0);
    expect((await toy.results()).map(({ status }) => status)).toEqual(Array(4).fill('finished'));
  });

  it('does not run a stage again that failed while other trials waited for it', async () => {
    const toy = await ToySweep.create(grid);
    await toy.break('autoencoder', 'late');
    const { exitCode, stdout } = await toy.sweep('--parallel', '3', '--keep-going');
    expect(exitCode).toBe(1);
    expect(await toy.sessions()).toEqual({ 'images start': 1, 'autoencoder start': 1 });
    const results = await toy.results();
    expect(results.map(({ status }) => status).sort()).toEqual(['failed', 'skipped', 'skipped']);
    expect(stdout).toContain('3 failed');
    // Someone who did not wait for it tries again.
    await toy.break('autoencoder', 0);
    expect((await toy.sweep('--parallel', '2')).exitCode).toBe(0);
    expect((await toy.results()).map(({ status }) => status)).toEqual(Array(3).fill('finished'));
  });

  it('takes figures from the records of the stages: of a point that returns, under another name, of two at once', async () => {
    const toy = await ToySweep.create(grid);
    const losses = async () =>
      (await toy.results()).map(({ metrics }) => [metrics['autoencoder.loss'], metrics['train.loss']]);
    await toy.sweep();
    expect(await losses()).toEqual(Array(3).fill([0.2, 0.2]));
    const write = (text: string) => writeFile(join(toy.folder, 'toy.yaml'), text);
    await write(toyYaml('{ grid: { stages.train.model.mediators: [4] } }'));
    await toy.sweep();
    await write(toyYaml(grid));
    await toy.sweep();
    expect(await losses()).toEqual(Array(3).fill([0.2, 0.2]));
    await write(toyYaml(grid).replace('name: toy', 'name: other'));
    await toy.sweep();
    const named = await readFile(join(toy.folder, 'runs', 'other', 'sweep', 'sweep.json'), 'utf8');
    expect(named.match(/"train.loss": 0.2/g)).toHaveLength(3);
    await write(toyYaml('{ grid: { stages.train.steps: [6, 7] } }'));
    await Promise.all([toy.sweep('--parallel', '2'), toy.sweep('--parallel', '2')]);
    expect((await losses()).map((both) => both.map((loss) => loss?.toFixed(3)))).toEqual([
      ['0.200', '0.167'],
      ['0.200', '0.143'],
    ]);
  });

  it('gives each trial a GPU of its own, as many at once as there are', async () => {
    const toy = await ToySweep.create('{ grid: { stages.train.steps: [40, 41, 42] } }');
    const { stdout, exitCode } = await toy.start(['sweep', 'toy.yaml', '--json'], {
      ...(await toy.gpus('0', '2', '5')),
      TOY_STEP_MS: '60',
    });
    expect(exitCode).toBe(0);
    const events = eventsOf(stdout);
    expect(events[0]).toMatchObject({ type: 'sweep-started', parallel: 3 });
    const sessions = Object.keys(await toy.sessions()).filter((line) => line.startsWith('train'));
    expect(sessions.sort()).toEqual(['train start on 0', 'train start on 2', 'train start on 5']);
    // All three trained at the same time.
    const told = (type: string) =>
      events.flatMap((event) =>
        event.type === 'trial-event' &&
        event.event.type === type &&
        'stage' in event.event &&
        event.event.stage === 'train'
          ? [Date.parse(event.time)]
          : [],
      );
    expect(Math.max(...told('stage-started'))).toBeLessThan(Math.min(...told('stage-finished')));
  });

  it('stops at a failure otherwise, and tries again as often as it is told to', async () => {
    const toy = await ToySweep.create(grid);
    await toy.break('train', 1);
    const first = await toy.sweep();
    expect(first.exitCode).toBe(1);
    expect((await toy.results()).map(({ status }) => status)).toEqual(['failed', 'waiting', 'waiting']);
    expect(first.stdout).toContain('1 failed, 2 left. Use --keep-going to run the others too.');
    await toy.break('train', 2);
    const second = await toy.sweep('--retries', '2', '--retry-pause', '0.4s', '--json');
    expect(second.exitCode).toBe(0);
    const events = eventsOf(second.stdout);
    const retries = events.filter((event) => event.type === 'trial-retrying');
    expect(retries).toMatchObject([
      { attempt: 2, attempts: 3, pauseSeconds: 0.4, failure: { code: 'toy-broken', stage: 'train' } },
      { attempt: 3, attempts: 3, pauseSeconds: 0.8 },
    ]);
    const pauses = retries.map((retry) => {
      const next = events.slice(events.indexOf(retry)).find((event) => event.type === 'trial-started')!;
      return (Date.parse(next.time) - Date.parse(retry.time)) / 1000;
    });
    // Timers and clocks count whole milliseconds.
    expect(pauses[0]).toBeGreaterThan(0.398);
    expect(pauses[1]).toBeGreaterThan(0.798);
  });

  it('interrupts a trial at its time limit, and continues it', async () => {
    const toy = await ToySweep.create('{ grid: { stages.train.steps: [3, 1000] } }');
    const { exitCode, stdout } = await toy.start(['sweep', 'toy.yaml', '--time-limit', '5s'], {
      TOY_STEP_MS: '20',
    });
    expect(exitCode).toBe(1);
    expect((await toy.results()).map(({ status }) => status)).toEqual(['finished', 'timed-out']);
    expect(stdout).toContain('It was stopped in train at its time limit; the same command continues it.');
    expect((await toy.sweep()).exitCode).toBe(0);
    expect(await toy.sessions()).toMatchObject({ 'train start': 2, 'train continue': 1 });
  });

  it('sorts its table, and exits with 2 where usage or the file is wrong', async () => {
    const toy = await ToySweep.create('{ grid: { stages.train.steps: [5, 8, 6] } }');
    const { stdout } = await toy.sweep('--sort=-steps', '--parallel', '3');
    expect(
      [...stdout.slice(stdout.indexOf('TRIAL')).matchAll(/^[\da-f]{10} +(\d)/gm)].map(([, steps]) => steps),
    ).toEqual(['8', '6', '5']);
    for (const [args, message] of [
      [['--time-limit', 'soon'], 'A time such as 90s'],
      [['--parallel', '0'], 'A whole number of at least 1'],
    ] as const) {
      const { exitCode, stderr } = await toy.sweep(...args);
      expect(exitCode).toBe(2);
      expect(stderr).toContain(message);
    }
    await writeFile(
      join(toy.folder, 'toy.yaml'),
      toyYaml('{ grid: { stages.train.model.mediators: [4, 5] } }'),
    );
    const wrong = await toy.start(['validate', 'toy.yaml']);
    expect(wrong.exitCode).toBe(2);
    expect(wrong.stderr).toContain('toy.yaml:8:52 error not-a-square');
    await writeFile(join(toy.folder, 'toy.yaml'), toyYaml('{}').replace('sweep: {}\n', ''));
    const none = await toy.sweep();
    expect(none.exitCode).toBe(2);
    expect(none.stderr).toContain('has no `sweep`');
  });

  it('is named by plan, validate and run, which do not run it', async () => {
    const toy = await ToySweep.create(grid);
    expect((await toy.start(['validate', 'toy.yaml'])).stdout).toBe('toy.yaml: valid, 5 stages, 3 trials');
    const run = await toy.start(['run', 'toy.yaml']);
    expect(run.stdout).toMatch(
      /^This runs the file's own values\. Its sweep is run by: npx pipeline sweep toy\.yaml\n/,
    );
    expect(await toy.sessions()).toMatchObject({ 'train start': 1 });
    expect((await toy.start(['plan', 'toy.yaml'])).stdout).toMatch(/To plan its sweep: .*toy\.yaml --plan$/);
  });
});

describe('an interrupted sweep', () => {
  it.each(['SIGINT', 'SIGKILL'] as const)(
    'leaves its trials interrupted on %s, and continues',
    async (signal) => {
      const toy = await ToySweep.create('{ grid: { stages.train.steps: [200, 201] } }');
      const running = toy.start(['sweep', 'toy.yaml', '--parallel', '2'], { TOY_STEP_MS: '50' });
      await toy.untilTraining(running, 2);
      running.kill(signal);
      const { exitCode, stdout } = await running;
      if (signal === 'SIGINT') {
        expect(exitCode).toBe(130);
        expect(stdout).toMatch(/Interrupted: 2 left\. Run the same command to continue\.\n/);
      }
      const again = await toy.sweep('--parallel', '2');
      expect(again.exitCode).toBe(0);
      expect(await toy.sessions()).toMatchObject({
        'autoencoder start': 1,
        'train start': 2,
        'train continue': 2,
      });
      for (const { run, values } of await toy.results()) {
        const steps = Number(values['stages.train.steps']);
        const written = await readFile(
          join(toy.folder, 'runs', 'toy', 'sweep', run!, 'train', 'steps.txt'),
          'utf8',
        );
        expect(written).toBe(Array.from({ length: steps }, (_, i) => `step ${i}\n`).join(''));
      }
    },
  );

  it('continues what it was forced to make again, and makes what trials share once', async () => {
    const toy = await ToySweep.create('{ grid: { stages.train.steps: [60, 61] } }');
    expect((await toy.sweep()).exitCode).toBe(0);
    await rm(join(toy.folder, 'sessions'));
    const forced = ['--force', 'autoencoder', '--parallel', '2'];
    const running = toy.start(['sweep', 'toy.yaml', ...forced], { TOY_STEP_MS: '100' });
    await vi.waitFor(async () => {
      expect(await toy.sessions()).toMatchObject({ 'train start': 2 });
    }, 120_000);
    await sleep(1000);
    running.kill('SIGINT');
    expect((await running).exitCode).toBe(130);
    const plan = (await toy.sweep(...forced, '--plan')).stdout;
    expect(plan).toMatch(/autoencoder +cached/);
    expect(plan.match(/train +runs +forced, with autoencoder/g)).toHaveLength(2);
    expect((await toy.sweep(...forced)).exitCode).toBe(0);
    const once = {
      'autoencoder start': 1,
      'train start': 2,
      'train continue': 2,
      'report start': 2,
    };
    expect(await toy.sessions()).toEqual(once);
    // It has come to its end: forced once more, all is made again.
    expect((await toy.sweep(...forced)).exitCode).toBe(0);
    expect(await toy.sessions()).toEqual({
      ...once,
      'autoencoder start': 2,
      'train start': 4,
      'report start': 4,
    });
  });
});
