import { existsSync } from 'node:fs';
import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { goingOn, ranked } from '../../../../src/runner/sweep/halving.js';
import type { PlannedTrial } from '../../../../src/runner/sweep/plan-sweep.js';
import type { SweepResults } from '../../../../src/runner/sweep/results.js';
import { startPipeline, tinyPipeline } from '../../../support/tiny-pipeline.js';

describe('comparing', () => {
  const planned = {} as PlannedTrial;
  const order = (values: readonly number[], better: 'less' | 'more') =>
    ranked(
      values.map((value) => ({ planned, value })),
      { name: 'loss', better },
    ).map(({ value }) => value);

  it('ranks by the direction of the figure, and what is no number last', () => {
    expect(order([3, 1, 2], 'less')).toEqual([1, 2, 3]);
    expect(order([3, 1, 2], 'more')).toEqual([3, 2, 1]);
    expect(order([NaN, 1, Infinity, 2], 'less')).toEqual([1, 2, NaN, Infinity]);
  });

  it('lets the share go on, rounded up, and one at least', () => {
    expect([1, 2, 3, 4, 9].map((count) => goingOn(count, 0.5))).toEqual([1, 1, 2, 2, 5]);
    expect([3, 9].map((count) => goingOn(count, 1 / 3))).toEqual([1, 3]);
    expect(goingOn(10, 0.1)).toBe(1);
  });
});

describe('a sweep with halving', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await tinyPipeline();
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const write = (halving: string) =>
    writeFile(
      join(folder, 'halved.yaml'),
      `extends: tiny.yaml
name: halved
# Long enough not to end before it is stopped.
stages: { train: { steps: 120 } }
sweep:
  grid: { stages.train.learningRate: [1e-5, 3e-2, 1e-2] }
  halving: ${halving}
`,
    );
  const sweep = (...args: string[]) =>
    startPipeline(folder, ['sweep', 'halved.yaml', '--until', 'train', ...args]);
  const results = async () =>
    JSON.parse(await readFile(join(folder, 'runs', 'halved', 'sweep', 'sweep.json'), 'utf8')) as SweepResults;

  it('stops the worse trials at a step, takes the others on from there, and does the same at every call', async () => {
    await write('{ steps: [20], keep: 0.34 }');
    const plan = await sweep('--plan');
    expect(plan.stdout).toContain('Stops bad trials: after 20 steps of train, the 34 % of best loss go on.');
    const first = await sweep();
    expect([first.stderr, first.exitCode]).toEqual(['', 0]);
    const { trials } = await results();
    const stopped = trials.filter(({ status }) => status === 'stopped');
    expect(stopped.map((trial) => trial.stopped!.rank)).toEqual(expect.arrayContaining([3]));
    for (const trial of stopped) {
      const { stage, step, figure, of } = trial.stopped!;
      expect([stage, step, figure, of]).toEqual(['train', 20, 'loss', 3]);
    }
    const finished = trials.filter(({ status }) => status === 'finished');
    expect(stopped.length + finished.length).toBe(3);
    expect(finished).toHaveLength(2);
    // They went on from where they were compared.
    expect(first.stdout.match(/train: continues/g), first.stdout).toHaveLength(2);
    expect(first.stdout).toContain('1 stopped');

    // Checkpoints of a stopped trial stay, though its run is gone and no file has its values.
    const made = trials.find(({ status }) => status === 'stopped')!;
    await rm(join(folder, 'runs', 'halved', 'sweep', made.run!), { recursive: true });
    await rm(join(folder, 'halved.yaml'));
    const collected = await startPipeline(folder, [
      ...['gc', '--yes', '--older-than', '0'],
      ...['--forget', join(folder, 'halved.yaml')],
    ]);
    expect([collected.stderr, collected.exitCode]).toEqual(['', 0]);
    await write('{ steps: [20], keep: 0.34 }');
    const key = made.stopped!.fingerprint!.slice(0, 16);
    expect(existsSync(join(folder, 'runs', 'store', 'train', `${key}.partial`, 'checkpoints'))).toBe(true);

    const again = await sweep();
    expect(again.exitCode).toBe(0);
    expect(again.stdout).not.toContain('starts');
    expect((await results()).trials.map((trial) => trial.stopped)).toEqual(
      trials.map((trial) => trial.stopped),
    );

    // One that went on has the weights of one that was never compared.
    const { values, run } = finished[0]!;
    const rate = JSON.stringify(values['stages.train.learningRate']);
    const alone = await startPipeline(
      folder,
      ['run', 'halved.yaml', '--until', 'train', '--set', `stages.train.learningRate=${rate}`],
      'alone',
    );
    expect(alone.exitCode).toBe(0);
    const weights = (path: string) =>
      readFile(join(path, 'train', 'checkpoints', 'step-000000120', 'weights.safetensors'));
    const compared = join(folder, 'runs', 'halved', 'sweep', run!);
    expect(await weights(join(folder, 'alone', 'halved', 'latest'))).toEqual(await weights(compared));
  }, 400_000);

  it.each([
    ['stages.train.classSampling: [natural, balanced]', 'classSampling'],
    ['stages.train.timesteps: [uniform, { kind: logitNormal }]', 'timesteps'],
    ['stages.train.until: [null, { step: 40, timesteps: { kind: logitNormal } }]', 'until'],
  ])('is refused with %s, which changes what the loss measures', async (grid, key) => {
    await write('{ steps: [20] }');
    const file = join(folder, 'halved.yaml');
    const text = await readFile(file, 'utf8');
    await writeFile(file, text.replace(/(?<=grid: \{ ).*(?= \}\n)/, grid));
    const { exitCode, stderr } = await sweep('--plan');
    expect(stderr).toContain(
      `loss of train, which measures something else where \`stages.train.${key}\` does`,
    );
    expect(exitCode).toBe(2);
  });

  it('comes to the same after SIGINT and SIGKILL, before trials are compared and while the better ones go on', async () => {
    await write('{ steps: [20], keep: 0.34 }');
    const start = (runs: string) => startPipeline(folder, ['sweep', 'halved.yaml', '--until', 'train'], runs);
    const read = async (runs: string) =>
      JSON.parse(await readFile(join(folder, runs, 'halved', 'sweep', 'sweep.json'), 'utf8')) as SweepResults;
    /** Starts the sweep, and ends it with a signal once its output has something. */
    const end = async (signal: 'SIGINT' | 'SIGKILL', once: RegExp) => {
      const running = start('broken');
      let said = '';
      await new Promise<void>((resolve, reject) => {
        running.stdout.on('data', (text: Buffer) => {
          said += text.toString();
          if (once.test(said)) resolve();
        });
        void running.then(({ stderr }) => {
          reject(new Error(`It ended before it said ${String(once)}: ${said}${stderr}`));
        });
      });
      running.kill(signal);
      return running;
    };
    // What all trials share is made once for both.
    expect((await start('whole')).exitCode).toBe(0);
    await cp(join(folder, 'whole', 'store'), join(folder, 'broken', 'store'), { recursive: true });
    await rm(join(folder, 'broken', 'store', 'train'), { recursive: true });

    expect((await end('SIGINT', /train: starts/)).exitCode).toBe(130);
    await end('SIGKILL', /to be compared/);
    await end('SIGKILL', /to be compared[^]*train: continues/);
    const last = await start('broken');
    expect([last.stderr, last.exitCode]).toEqual(['', 0]);
    const [whole, broken] = [await read('whole'), await read('broken')];
    expect(broken.trials.map(({ status }) => status).sort()).toEqual(['finished', 'finished', 'stopped']);
    const judged = ({ trials }: SweepResults) =>
      trials.map(({ values, stopped, metrics }) => ({ values, stopped, loss: metrics['train.loss'] }));
    expect(judged(broken)).toEqual(judged(whole));
  }, 600_000);

  it('refuses what trials cannot be compared by', async () => {
    const refusal = async (halving: string) => {
      await write(halving);
      const { exitCode, stderr } = await sweep('--plan');
      return [exitCode, stderr];
    };
    expect(await refusal('{ steps: [20], stage: autoencoder }')).toEqual([
      2,
      expect.stringContaining('`halving` compares by autoencoder, which is the same in all trials.'),
    ]);
    expect(await refusal('{ steps: [20, 10] }')).toEqual([
      2,
      expect.stringContaining('`steps` of `halving` must be in ascending order; found 20, 10.'),
    ]);
  }, 120_000);
});
