import { cp, mkdir, mkdtemp, readdir, realpath, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import sharp from 'sharp';
import { nodeProgram } from './programs.js';

/** The real command line. */
export const main = 'src/cli/main.ts';

/** Classes of the tiny data set, and a shape for each. */
const shapes: Readonly<Record<string, (x: number, hue: number) => string>> = {
  circles: (x, hue) => `<circle cx="${x}" cy="16" r="9" fill="hsl(${hue},80%,50%)"/>`,
  squares: (x, hue) => `<rect x="${x - 8}" y="8" width="16" height="16" fill="hsl(${hue},80%,50%)"/>`,
  triangles: (x, hue) => `<path d="M${x},6 l10,18 h-20 z" fill="hsl(${hue},80%,50%)"/>`,
};

/** A pipeline of every stage that runs in seconds: 36 drawings of 16 pixels, networks of a few thousand weights. */
const yaml = `name: tiny
seed: 3
runtime: { device: cpu, threads: 1 }
stages:
  images: { uses: images, path: data, size: 16 }
  autoencoder:
    uses: autoencoder
    images: images
    channels: [8, 16]
    steps: 12
    batch: 8
    warmupSteps: 2
    checkpoint: { everySteps: 5 }
    flips: true
  latents: { uses: encode, images: images, autoencoder: autoencoder, flips: { classes: [circles] }, batch: 7, shardSize: 10 }
  train:
    uses: train
    latents: latents
    model: { hiddenSize: 32, depth: 2, heads: 2, patchSize: 1, mediators: [4, 0] }
    steps: 40
    globalBatch: 8
    ema: 0.9
    logEverySteps: 10
    checkpoint: { everySteps: 8 }
  sample:
    uses: sample
    model: train
    autoencoder: autoencoder
    count: 10
    batch: 4
    guidanceScale: 2
    sampler: { steps: 6 }
  report: { uses: report, stages: [images, autoencoder, latents, train, sample] }
`;

/** Makes a folder with the tiny data set and `tiny.yaml`. */
export async function tinyPipeline(): Promise<string> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'tiny pipeline ü ')));
  for (const [name, shape] of Object.entries(shapes)) {
    await mkdir(join(folder, 'data', name), { recursive: true });
    for (let i = 0; i < 12; i++) {
      const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="32" height="32">${shape(10 + i, i * 30)}</svg>`;
      await sharp(Buffer.from(svg))
        .png()
        .toFile(join(folder, 'data', name, `${i}.png`));
    }
  }
  await writeFile(join(folder, 'tiny.yaml'), yaml);
  return folder;
}

/** Makes such a folder with a model beside it, `model`, that the pipeline has trained. */
export async function tinyModel(): Promise<string> {
  const folder = await tinyPipeline();
  const made = await startPipeline(folder, ['run', 'tiny.yaml', '--until', 'train']);
  if (made.exitCode !== 0) throw new Error(made.stderr);
  const trained = join(folder, 'runs', 'tiny', 'latest', 'train');
  await cp(trained, join(folder, 'model'), { recursive: true, dereference: true });
  return folder;
}

/**
 * Starts the real command in a folder, its runs in `RUNS` there.
 *
 * @param under a program that starts it, with its arguments
 */
export function startPipeline(
  folder: string,
  args: readonly string[],
  runs = 'runs',
  env: Readonly<Record<string, string>> = {},
  under: readonly string[] = [],
) {
  return startCommand(main, args, folder, { PIPELINE_RUNS: join(folder, runs), ...env }, under);
}

/** Starts a command line of ours in a folder. */
export function startCommand(
  program: string,
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>> = { PIPELINE_RUNS: '' },
  under: readonly string[] = [],
) {
  const [first, ...rest] = [...under, process.execPath, ...nodeProgram(program), ...args];
  return execa(first!, rest, {
    cwd,
    reject: false,
    // What saves on SIGTERM takes longer than execa's five seconds on a busy machine.
    forceKillAfterDelay: false,
    env: { NO_COLOR: '1', ...env },
  });
}

/** Resolves once a training with its runs in the folder `runs` has saved its first checkpoint. */
export async function untilCheckpoint(runs: string): Promise<void> {
  for (let waited = 0; waited < 120_000; waited += 20) {
    const train = join(runs, 'store', 'train');
    const partial = (await readdir(train).catch(() => [])).find((name) => name.endsWith('.partial'));
    const saved = partial && (await readdir(join(train, partial, 'checkpoints')).catch(() => []));
    if (saved && saved.some((name) => /^step-\d+$/.test(name))) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('Training saved no checkpoint.');
}
