import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { toyCommand } from '../toy-project.js';
import { toyYaml, ToySweep } from './toy-sweep.js';

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
