import { mkdir, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { stringify } from 'yaml';
import { encodePng, gridColumns, imageGrid } from '../../src/data/images/png.js';
import { environment } from '../../src/runner/environment.js';
import { fingerprintOf, type Origin } from '../../src/runner/fingerprint/origin.js';
import type { RunFile, StageRecord } from '../../src/runner/run/run-record.js';
import type { Json } from '../../src/runner/stage.js';
import { type Manifest, outputPlace } from '../../src/runner/store/manifest.js';
import { writeRun } from '../runner/runs/synthetic-runs.js';
import { png } from '../stages/report/outputs.js';

/** Names that are markup where they are not escaped. */
export const hostile = '<script>fail()</script>"\'&';

interface Stage {
  readonly kind: string;
  readonly config: Readonly<Record<string, Json>>;
  readonly after?: readonly string[];
  readonly summary?: Readonly<Record<string, Json>>;
  readonly files?: Readonly<Record<string, string | Buffer>>;
  readonly seconds?: number;
  readonly status?: StageRecord['status'];
}

/** A run as the pipeline leaves it, of every kind of stage that a page has something to show of. */
export async function writeWholeRun(
  runsRoot: string,
  startedAt: Date,
  options: { readonly learningRate?: number; readonly record?: Partial<RunFile> } = {},
): Promise<string> {
  const { learningRate = 1e-4 } = options;
  const stages = await everyStage(learningRate);
  const directory = await writeRun(runsRoot, 'whole', startedAt);
  const records: Record<string, StageRecord> = {};
  for (const [id, stage] of Object.entries(stages))
    records[id] = await writeStage(runsRoot, directory, stage);
  await writeRun(runsRoot, 'whole', startedAt, {
    options: { set: [`stages.train.learningRate=${learningRate}`], force: [] },
    stages: records,
    ...options.record,
  });
  const resolved = Object.fromEntries(
    Object.entries(stages).map(([id, { kind, config }]) => [id, { uses: kind, ...config }]),
  );
  await writeFile(join(directory, 'resolved.yaml'), stringify({ name: 'whole', seed: 3, stages: resolved }));
  await writeFile(
    join(directory, 'origins.json'),
    JSON.stringify({
      name: { file: 'whole.yaml', line: 1, column: 7 },
      'stages.train.model.mediators': { file: '../base.yaml', line: 12, column: 40 },
      'stages.train.learningRate': { file: '--set', line: 1, column: 7 },
    }),
  );
  return directory;
}

async function everyStage(learningRate: number): Promise<Record<string, Stage>> {
  const steps = [1000, 2000, 3000];
  const grids = steps.map((step) => ({ step, file: `step-00000${step}.png` }));
  return {
    images: {
      kind: 'images',
      config: { path: 'photos', size: 32 },
      summary: { images: 107, size: 32, perClass: { [hostile]: 100, dogs: 7 }, skipped: 0 },
      status: 'cached',
      seconds: 4,
    },
    train: {
      kind: 'train',
      config: { images: 'images', model: { mediators: 4 }, learningRate, schedule: 'constant' },
      after: ['images'],
      summary: { steps: 3000, parameters: 7_435_272 },
      files: {
        'metrics.jsonl': metrics(150, learningRate),
        'samples/index.json': JSON.stringify({ grids, classes: [hostile, 'dogs'] }),
        ...(await trainingGrids(
          grids.map(({ file }) => `samples/${file}`),
          learningRate,
        )),
      },
      seconds: 600,
    },
    sample: {
      kind: 'sample',
      config: { model: 'train', count: 4, sampler: { kind: 'sde', steps: 100 }, guidanceScale: 1.5 },
      after: ['train'],
      summary: { samples: 4, size: 8 },
      files: {
        'samples.json': JSON.stringify({ size: 8, classes: [hostile, 'dogs'], labels: [0, 1, 0, 1] }),
        'switches.json': JSON.stringify(switches),
        ...(await pictures(
          [0, 1, 2, 3].map((i) => `samples/00000${i}.png`),
          8,
          8,
        )),
      },
      seconds: 60,
    },
    evaluate: {
      kind: 'evaluate',
      config: { samples: 'sample', reference: 'images' },
      after: ['sample', 'images'],
      summary: { fid: 12.345, inceptionScore: 45.6, precision: 0.71 },
      seconds: 9,
    },
  };
}

async function pictures(
  names: readonly string[],
  width: number,
  height: number,
): Promise<Record<string, Buffer>> {
  const files: Record<string, Buffer> = {};
  for (const [i, name] of names.entries()) files[name] = await png(width, height, `hsl(${i * 60},60%,50%)`);
  return files;
}

/** Grids of two tiles of one colour each: red is the class, green the step, blue the run. */
async function trainingGrids(
  names: readonly string[],
  learningRate: number,
): Promise<Record<string, Buffer>> {
  const tile = (colour: readonly number[]) => ({
    ...{ width: 8, height: 8 },
    data: Uint8Array.from({ length: 8 * 8 * 3 }, (_, i) => colour[i % 3]!),
  });
  const grids = names.map(async (name, step) => {
    const tiles = [0, 1].map((label) => tile([100 * label, 50 * step, learningRate > 5e-4 ? 200 : 0]));
    return [name, await encodePng(imageGrid(tiles, { columns: gridColumns(2) }))] as const;
  });
  return Object.fromEntries(await Promise.all(grids));
}

/** Three phases over 100 steps, five samples: one of them never leaves the first phase, two never reach the last. */
const switches = {
  firstSteps: 3,
  distance: 'absolute',
  switchRatios: [0.8, 0.5],
  steps: 100,
  phases: [
    { stage: 'train-4', mediators: 4, multiplyAccumulates: 5.49e9 },
    { stage: 'train-16', mediators: 16, multiplyAccumulates: 5.55e9 },
    { stage: 'train-64', mediators: [64, 64], multiplyAccumulates: 5.78e9 },
  ],
  samples: [
    [20, 60],
    [21, 80],
    [22, null],
    [21, null],
    [null, null],
  ],
  savedFraction: 0.0412,
};

function metrics(count: number, rate: number): string {
  const noise = (i: number) => Math.sin(i * 12.9898) * 0.05;
  return Array.from({ length: count }, (_, i) =>
    JSON.stringify({
      step: 20 * (i + 1),
      loss: 1 / (1 + i * rate * 300) + 0.1 + noise(i),
      learningRate: rate,
    }),
  )
    .map((line) => `${line}\n`)
    .join('');
}

async function writeStage(runsRoot: string, run: string, stage: Stage): Promise<StageRecord> {
  const { kind, config, after = [], summary = {}, files = {}, seconds = 1, status = 'finished' } = stage;
  const origin: Origin = { kind, codeVersion: 1, seed: 3, config, references: [], inputs: [] };
  const fingerprint = fingerprintOf(origin);
  const { directory } = outputPlace(runsRoot, kind, fingerprint);
  await mkdir(directory, { recursive: true });
  for (const [name, content] of Object.entries(files)) {
    await mkdir(join(directory, name, '..'), { recursive: true });
    await writeFile(join(directory, name), content);
  }
  const madeWith = environment({ threads: 0, workers: 1 });
  const manifest: Manifest = {
    ...{ format: 2, kind, fingerprint, origin, summary, madeWith, seconds, createdAt: '', files: [] },
  };
  await writeFile(join(directory, 'manifest.json'), JSON.stringify(manifest));
  const reasons = status === 'cached' ? [] : ['stages.train.learningRate: 0.0002 → 0.0001'];
  const plain = Object.fromEntries(Object.entries(summary).filter(([, value]) => typeof value !== 'object'));
  return {
    kind,
    after,
    status,
    reasons,
    fingerprint,
    output: relative(run, directory),
    seconds,
    summary: plain,
  };
}
