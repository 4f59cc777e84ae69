import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { toyCommand } from '../toy-project.js';
import { ToySweep, toyYaml } from './toy-sweep.js';

it('plans the points of a grid, of keys in step, of a list and at random, the same at every call', async () => {
  const { folder } = await ToySweep.create('{ grid: { seed: [0] } }');
  const points = async (sweep: string): Promise<unknown[]> => {
    await writeFile(join(folder, 'toy.yaml'), toyYaml(sweep));
    const { exitCode, stdout, stderr } = await toyCommand(folder, ['sweep', 'toy.yaml', '--plan', '--json']);
    expect([exitCode, stderr]).toEqual([0, '']);
    const { trials } = JSON.parse(stdout) as {
      trials: { trial: string; values: Record<string, unknown> }[];
    };
    expect(new Set(trials.map(({ trial }) => trial)).size).toBe(trials.length);
    return trials.map(({ values }) => Object.values(values));
  };
  const [steps, seed] = ['stages.train.steps: [5, 6]', 'seed: [0, 1]'];
  expect(await points(`{ grid: { ${steps}, ${seed} } }`)).toEqual([
    [5, 0],
    [5, 1],
    [6, 0],
    [6, 1],
  ]);
  expect(await points(`{ zip: { ${steps}, ${seed} } }`)).toEqual([
    [5, 0],
    [6, 1],
  ]);
  expect(await points('{ points: [{ seed: 3 }, { stages.train.steps: 9 }] }')).toEqual([[3], [9]]);
  const random = (from: number) =>
    `{ random: { count: 3, seed: ${from}, values: { stages.train.learningRate: { logUniform: [0.0001, 0.01] } } } }`;
  const drawn = await points(random(1));
  expect(await points(random(1))).toEqual(drawn);
  expect(await points(random(2))).not.toEqual(drawn);
  for (const [rate] of drawn as number[][]) {
    expect(rate).toBeGreaterThanOrEqual(0.0001);
    expect(rate).toBeLessThanOrEqual(0.01);
  }
});

it('refuses before anything runs what could not be sorted by, or would change nothing', async () => {
  const { folder } = await ToySweep.create(
    '{ grid: { stages.train.steps: [5, 6], stages.autoencoder.steps: [5, 6] } }',
  );
  const sweep = async (...args: string[]) => {
    const { exitCode, stdout, stderr } = await toyCommand(folder, ['sweep', 'toy.yaml', ...args]);
    return exitCode === 0 ? stdout.length > 0 : [exitCode, stderr.split('\n')[0]];
  };
  for (const column of ['train.loss', '-loss', 'train.steps', 'stages.train.steps', 'seconds', 'latents'])
    expect([column, await sweep('--plan', `--sort=${column}`)]).toEqual([column, true]);
  for (const more of [['--plan'], []]) {
    expect(await sweep('--sort', 'nope', ...more)).toEqual([2, 'error: The table has no column nope.']);
    expect(await sweep('--sort', 'train.lss', ...more)).toEqual([
      2,
      'error: The table has no column train.lss.',
    ]);
    expect(await sweep('--sort', 'steps', ...more)).toEqual([
      2,
      'error: Several columns end in steps: stages.train.steps, stages.autoencoder.steps.',
    ]);
  }
  expect(await sweep('--sort', 'loss', '--json')).toEqual([
    2,
    "error: option '--sort <column>' cannot be used with option '--json'",
  ]);
  expect(await sweep('--sbatch=--gres=gpu:1')).toEqual([
    2,
    'error: --sbatch would change nothing: without --slurm no job is submitted.',
  ]);
  expect(await sweep('--retry-pause', '1s')).toEqual([
    2,
    'error: --retry-pause would change nothing: without --retries no trial is tried again.',
  ]);
  expect(await sweep('--force', 'nope')).toEqual([2, expect.stringContaining('has no stage nope')]);
  expect(existsSync(join(folder, 'runs', 'toy'))).toBe(false);
});

it('finds the runs of trials that are cached, also where the table of the sweep does not know them', async () => {
  const toy = await ToySweep.create('{ grid: { stages.train.steps: [5, 6] } }');
  expect((await toy.sweep()).exitCode).toBe(0);
  const runs = async () => (await toy.results()).map(({ trial, status, run }) => [trial, status, run]);
  const made = await runs();
  expect(new Set(made.map(([, , run]) => run)).size).toBe(2);
  await rm(join(toy.folder, 'runs', 'toy', 'sweep', 'sweep.json'));
  expect((await toy.sweep()).exitCode).toBe(0);
  expect(await runs()).toEqual(made.map(([trial, , run]) => [trial, 'cached', run]));
});
