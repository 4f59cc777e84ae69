import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastValueFrom, toArray } from 'rxjs';
import sharp from 'sharp';
import { fingerprintOf, type Origin } from '../../../src/runner/fingerprint/origin.js';
import type { Json, StageContext, StageOutput } from '../../../src/runner/stage.js';
import { reportStage } from '../../../src/stages/report/kind.js';
import { kindPages } from '../../../src/stages/registry.js';
import { runtimeConfig } from '../../support/runtime-config.js';

const made: string[] = [];

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'report-'));
  made.push(folder);
  return folder;
}

export async function removeFolders(): Promise<void> {
  await Promise.all(made.splice(0).map((folder) => rm(folder, { recursive: true })));
}

/** What a stage left, as far as a report looks at it. */
interface Written {
  readonly stage: string;
  readonly kind: string;
  readonly config?: Json;
  readonly summary?: Readonly<Record<string, Json>>;
  readonly seconds?: number;
  readonly files?: Readonly<Record<string, string | Buffer>>;
  /** Stages that it read. */
  readonly after?: readonly StageOutput[];
}

/** Writes an output with its manifest. */
export async function output(written: Written): Promise<StageOutput> {
  const { stage, kind, config = {}, summary = {}, seconds = 1, files = {}, after = [] } = written;
  const directory = await temporaryFolder();
  for (const [name, content] of Object.entries(files)) {
    await mkdir(join(directory, name, '..'), { recursive: true });
    await writeFile(join(directory, name), content);
  }
  const origin: Origin = {
    kind,
    codeVersion: 1,
    config: { ...(config as object), inputs: after.map((input) => input.stage), made: stage },
    // A stage that another pipeline ran under another name is known by its fingerprint.
    references: after.map(({ fingerprint }, i) => ({
      path: ['inputs', String(i)],
      stage: 'elsewhere',
      fingerprint,
    })),
    inputs: [],
  };
  const fingerprint = fingerprintOf(origin);
  const manifest = {
    format: 2,
    madeWith: {},
    kind,
    fingerprint,
    origin,
    summary,
    seconds,
    createdAt: '',
    files: [],
  };
  await writeFile(join(directory, 'manifest.json'), JSON.stringify(manifest));
  return { stage, kind, directory, fingerprint, config, summary, seconds };
}

export function png(width: number, height: number, background = '#336699'): Promise<Buffer> {
  return sharp({ create: { width, height, channels: 3, background } })
    .png()
    .toBuffer();
}

/** Names that are markup where they are not escaped. */
export const classes = ['Cats & <b>dogs</b>', `"Quotes' <script>fail()</script>`];

/** The outputs of a whole pipeline. */
export async function wholePipeline(): Promise<StageOutput[]> {
  const picture = await png(8, 8);
  const images = await output({
    stage: 'photos',
    kind: 'images',
    config: { path: 'photos', size: 8 },
    summary: {
      images: 1007,
      classes,
      perClass: { [classes[0]!]: 1000, [classes[1]!]: 7 },
      size: 8,
      skipped: 1,
    },
    files: { 'skipped.json': JSON.stringify([{ path: 'a<i>.png', reason: 'its content is not PNG' }]) },
    seconds: 2,
  });
  const autoencoder = await output({
    stage: 'autoencoder',
    kind: 'autoencoder',
    summary: { steps: 200, peakSignalToNoiseDb: 21.26, picture: 'reconstructions.png' },
    files: { 'reconstructions.png': await png(64, 16), 'metrics.jsonl': metrics(10) },
    after: [images],
    seconds: 60,
  });
  const train = await output({
    stage: 'train',
    kind: 'train',
    config: { model: { mediators: 16 } },
    summary: { steps: 4000, parameters: 7435272 },
    files: { 'metrics.jsonl': metrics(200) },
    after: [images, autoencoder],
    seconds: 3600,
  });
  const labels = [0, 1, 0, 1];
  const sample = await output({
    stage: 'sample',
    kind: 'sample',
    config: { sampler: { kind: 'sde', steps: 100 }, guidanceScale: 3, weights: 'ema' },
    summary: { samples: 4, size: 8 },
    files: {
      'samples.json': JSON.stringify({ size: 8, classes, labels }),
      ...Object.fromEntries(labels.map((_, i) => [`samples/00000${i}.png`, picture])),
    },
    after: [train, autoencoder],
  });
  const unknown = await output({
    stage: 'score',
    kind: 'evaluate',
    config: { metrics: ['fid'] },
    summary: { frechetDistance: 12.345, picture: 'curve.png', nested: { a: 1 } },
    files: { 'curve.png': picture },
    after: [sample],
  });
  return [images, autoencoder, train, sample, unknown];
}

function metrics(count: number): string {
  const line = (i: number) => ({
    step: 20 * (i + 1),
    loss: 2 / (i + 1),
    learningRate: 1e-3 * (1 - i / count),
  });
  return Array.from({ length: count }, (_, i) => JSON.stringify(line(i)) + '\n').join('');
}

/** Runs the stage; gives the page's path and the events. */
export async function run(outputs: readonly StageOutput[], title?: string, pages = kindPages) {
  const directory = await temporaryFolder();
  const context: StageContext = {
    id: 'report',
    pipelineName: 'test',
    pipelineDirectory: directory,
    seed: 0,
    runtime: runtimeConfig(),
    directory,
    input: (id) => outputs.find(({ stage }) => stage === id)!,
    signal: new AbortController().signal,
  };
  const config = { stages: outputs.map(({ stage }) => stage), ...(title !== undefined && { title }) };
  const events = await lastValueFrom(reportStage(pages).run(config, context).pipe(toArray()));
  return { path: join(directory, 'report.html'), events };
}
