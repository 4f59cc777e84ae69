import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { stageRecord, writeRun } from '../../runner/runs/synthetic-runs.js';
import { SampleBench } from '../../support/sample-stage.js';
import { startPipeline } from '../../support/tiny-pipeline.js';

let bench: SampleBench;
let run: string;
const pipeline = (...args: string[]) => startPipeline(bench.folder, ['playground', ...args]);

beforeAll(async () => {
  bench = await SampleBench.open();
  await bench.addModel('train', 1);
  const output = (id: string) => ({ output: `../../../${id}` });
  run = await writeRun(join(bench.folder, 'runs'), 'shapes', new Date(), {
    stages: {
      autoencoder: stageRecord({ kind: 'autoencoder', ...output('autoencoder') }),
      train: stageRecord({ kind: 'train', ...output('train') }),
      sample: stageRecord({ kind: 'sample', after: ['train', 'autoencoder'] }),
    },
  });
  const stages = {
    autoencoder: { uses: 'autoencoder', images: 'images' },
    train: { uses: 'train' },
    sample: {
      ...{
        uses: 'sample',
        seed: 12,
        model: 'train',
        autoencoder: 'autoencoder',
        count: 50,
        guidanceScale: 2,
      },
      sampler: { kind: 'ode', method: 'euler', steps: 17 },
    },
  };
  await writeFile(join(run, 'resolved.yaml'), stringify({ name: 'shapes', seed: 3, stages }));
});

afterAll(() => bench.close());

/** What a page begins with. */
async function start(path: string) {
  const text = await readFile(path, 'utf8');
  const json = /<script id="description" type="application\/json">(.*?)<\/script>/s.exec(text)![1]!;
  const { start, phases } = JSON.parse(json) as {
    start: { seed: number; guidance: object; sampler: object };
    phases: { stage: string }[];
  };
  return { ...start, models: phases.map(({ stage }) => stage) };
}

it("writes a page with the models and settings of the run's samples into its folder", async () => {
  const { exitCode, stdout } = await pipeline();
  expect([exitCode, stdout]).toEqual([
    0,
    expect.stringMatching(/^Playground: runs\/shapes\/.*\/playground\.html \([\d.]+ MB\)/),
  ]);
  expect(await start(join(run, 'playground.html'))).toMatchObject({
    ...{ seed: 12, models: ['train'], guidance: { scale: 2, channels: 3 } },
    sampler: { choice: { kind: 'ode', method: 'euler' }, steps: 17 },
  });
});

it('says what is missing: the stage, or its output', async () => {
  const wrong = await pipeline('shapes', '--stage', 'train', '-o', 'page.html');
  expect([wrong.exitCode, wrong.stderr]).toEqual([
    2,
    expect.stringContaining('has no sample stage train; it has sample'),
  ]);
  await mkdir(join(bench.folder, 'aside'));
  await rename(join(bench.folder, 'train'), join(bench.folder, 'aside/train'));
  const gone = await pipeline();
  expect([gone.exitCode, gone.stderr]).toEqual([1, expect.stringContaining('train of shapes/')]);
});
