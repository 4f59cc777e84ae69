import { mkdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readRun } from '../../src/runner/runs/run.js';
import { outputPlace } from '../../src/runner/store/manifest.js';
import { liveParts } from '../../src/ui/pages/run-page.js';
import { stageRecord, writeRun } from '../runner/runs/synthetic-runs.js';
import { png } from '../stages/report/outputs.js';
import { temporaryFolder } from '../support/temporary-folder.js';

it('shows the pictures of a training as they are drawn', async () => {
  const runs = await temporaryFolder('live parts');
  const fingerprint = 'ab'.repeat(32);
  const directory = await writeRun(runs, 'mine', new Date(), {
    status: 'running',
    stages: { train: stageRecord({ kind: 'train', status: 'running', fingerprint }) },
  });
  const { partial } = outputPlace(runs, 'train', fingerprint);
  const shown = async () => {
    const { sections } = await liveParts((await readRun(directory))!);
    const section = sections.find(({ id }) => id === 'progression-train');
    return [...(section?.body.text.matchAll(/data-step="(\d+)"/g) ?? [])].map(([, step]) => Number(step));
  };
  expect(await shown()).toEqual([]);
  await mkdir(join(partial, 'samples'), { recursive: true });
  const draw = async (...steps: number[]) => {
    const grids = steps.map((step) => ({ step, file: `${step}.png` }));
    for (const { file } of grids) await writeFile(join(partial, 'samples', file), await png(8, 8, 'red'));
    const index = join(partial, 'samples', 'index.json');
    await writeFile(index, JSON.stringify({ grids }));
    await utimes(index, steps.length, steps.length);
  };
  await draw(100);
  expect(await shown()).toEqual([100]);
  await draw(100, 200);
  expect(await shown()).toEqual([100, 200]);
});
