import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NpzFile } from '../../src/formats/npz.js';
import type { RunFile } from '../../src/runner/run/run-record.js';
import { figuresOfStage } from '../../src/runner/runs/figures.js';
import { stageRegistry } from '../../src/stages/registry.js';
import { computing, loadedModules } from '../support/loaded-modules.js';
import { main, startPipeline, tinyPipeline, untilCheckpoint } from '../support/tiny-pipeline.js';

let folder: string;
let told: string;

beforeAll(async () => {
  folder = await tinyPipeline();
  const { stdout, exitCode } = await startPipeline(folder, ['run', 'tiny.yaml', '--profile', '3']);
  expect(exitCode, stdout).toBe(0);
  told = stdout;
}, 180_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

const output = (stage: string, runs = 'runs') => join(folder, runs, 'tiny', 'latest', stage);

async function digest(path: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
}

/** Digests of everything that training and sampling leave, by path. */
async function results(runs: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const stage of ['train', 'sample']) {
    const names = await readdir(output(stage, runs), { recursive: true, withFileTypes: true });
    for (const entry of names) {
      // The manifest of the store and the figures of speed hold times.
      const holdsTimes =
        entry.name === 'speed.jsonl' ||
        (entry.name === 'manifest.json' && !entry.parentPath.includes('checkpoints'));
      if (!entry.isFile() || holdsTimes) continue;
      const path = join(entry.parentPath, entry.name);
      found[`${stage}/${entry.name}`] = await digest(path);
    }
  }
  return found;
}

describe('the whole pipeline', () => {
  it('leaves what each stage promises', async () => {
    const npz = await NpzFile.open(join(output('sample'), 'samples.npz'));
    const { shape, dtype } = await npz.read('arr_0');
    await npz.close();
    expect([shape, dtype]).toEqual([[10, 16, 16, 3], 'u1']);
    expect(await readdir(join(output('sample'), 'samples'))).toHaveLength(10);
    const index = JSON.parse(await readFile(join(output('sample'), 'samples.json'), 'utf8')) as {
      labels: number[];
    };
    expect(index.labels).toEqual([0, 1, 2, 0, 1, 2, 0, 1, 2, 0]);
    const metrics = (await readFile(join(output('train'), 'metrics.jsonl'), 'utf8')).trim().split('\n');
    expect(metrics.map((line) => (JSON.parse(line) as { step: number }).step)).toEqual([10, 20, 30, 40]);
    expect(await readdir(join(output('train'), 'checkpoints'))).toEqual(['step-000000032', 'step-000000040']);
    expect(existsSync(join(output('report'), 'report.html'))).toBe(true);
  });

  it('comes to no figures but those that its kinds of stage announce', async () => {
    const run = JSON.parse(
      await readFile(join(folder, 'runs', 'tiny', 'latest', 'run.json'), 'utf8'),
    ) as RunFile;
    for (const [id, record] of Object.entries(run.stages)) {
      const { figures } = await stageRegistry.load(record.kind);
      const found = figuresOfStage(id, record).map(({ name }) => name.split('.')[0]!);
      expect([id, found.filter((name) => !figures.includes(name))]).toEqual([id, []]);
    }
    expect(figuresOfStage('train', run.stages.train!).map(({ name }) => name)).toContain('loss');
  });

  it('profiles as many steps as were asked for, and says what they cost', async () => {
    const profiles = join(folder, 'runs', 'tiny', 'latest', 'profiles');
    const { traceEvents } = JSON.parse(await readFile(join(profiles, 'train.trace.json'), 'utf8')) as {
      traceEvents: readonly { ph: string; name: string; dur?: number }[];
    };
    const products = traceEvents.filter(({ name }) => name.includes('MatMul'));
    // Each step multiplies by the same matrices.
    expect(products.length % 3).toBe(0);
    // Two blocks of at least qkv, projection and two layers, each with two gradients.
    expect(products.length / 3).toBeGreaterThan(2 * 4 * 3);
    expect(products.every(({ ph, dur }) => ph === 'X' && dur! >= 0)).toBe(true);
    expect(told).toContain('Profile of 3 steps');
    expect(told).toMatch(/train: .*MatMul\S* +\d+ calls +[\d.]+ ms +[\d.]+ %/);
  });

  it('tells how much of the time training waited, and its largest memory', () => {
    const [, idle, memory] = /train: finished .*device idle ([\d.]+) %, peak memory ([\d,]+) MB/.exec(told)!;
    expect(Number(idle)).toBeLessThan(100);
    // Node and TensorFlow alone take more than 100 MB.
    expect(Number(memory!.replace(',', ''))).toBeGreaterThan(100);
  });

  it('does nothing the second time', async () => {
    const { stdout, exitCode } = await startPipeline(folder, ['run', 'tiny.yaml']);
    expect(exitCode).toBe(0);
    expect(stdout.match(/: cached/g)).toHaveLength(6);
  });

  it('plans without loading tensors, images and the native interface', async () => {
    const { stdout, loaded } = await loadedModules(main, ['plan', 'tiny.yaml'], {
      cwd: folder,
      env: { PIPELINE_RUNS: join(folder, 'runs') },
    });
    expect(stdout).toContain('Nothing to run.');
    expect(loaded.some((path) => path.includes('/stages/train/kind.'))).toBe(true);
    expect(computing(loaded)).toEqual([]);
  });
});

describe.each([
  { signal: 'SIGINT', threads: '9' },
  { signal: 'SIGKILL', threads: '1' },
] as const)('a run that $signal ends', ({ signal, threads }) => {
  it('goes on to the very same weights and pictures, with another number of threads that load data', async () => {
    const runs = `runs ${signal}`;
    const interrupted = startPipeline(folder, ['run', 'tiny.yaml'], runs);
    await untilCheckpoint(join(folder, runs));
    interrupted.kill(signal);
    const { exitCode } = await interrupted;
    if (signal === 'SIGINT') expect(exitCode).toBe(130);
    const { exitCode: second, stdout } = await startPipeline(folder, ['run', 'tiny.yaml'], runs, {
      UV_THREADPOOL_SIZE: threads,
    });
    expect(second, stdout).toBe(0);
    expect(stdout).toMatch(/Continues from step/);
    await startPipeline(folder, ['run', 'tiny.yaml']);
    expect(await results(runs)).toEqual(await results('runs'));
  }, 180_000);
});

describe('a batch of another size', () => {
  it('is no reason to draw again, and draws the same', async () => {
    const before = await results('runs');
    const options = ['run', 'tiny.yaml', '--set', 'stages.sample.batch=10', '--until', 'sample'];
    const { exitCode, stdout } = await startPipeline(folder, options);
    expect(exitCode).toBe(0);
    expect(stdout).toContain('sample: cached');
    expect((await startPipeline(folder, [...options, '--force', 'sample'])).exitCode).toBe(0);
    const after = await results('runs');
    expect(after['sample/000007.png']).toBe(before['sample/000007.png']);
    expect(after['sample/000000.png']).toBe(before['sample/000000.png']);
  });
});

describe('without the native library', () => {
  type Metrics = Record<'step' | 'loss' | 'gradientNorm', number>;
  const metrics = async (stage: string, runs?: string): Promise<Metrics[]> =>
    (await readFile(join(output(stage, runs), 'metrics.jsonl'), 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Metrics);
  const pixels = async (runs?: string): Promise<Uint8Array> => {
    const npz = await NpzFile.open(join(output('sample', runs), 'samples.npz'));
    const { data } = await npz.read('arr_0');
    await npz.close();
    return data as Uint8Array;
  };

  it('computes the same on WebAssembly, up to rounding, and says so once', async () => {
    process.env.PIPELINE_BACKEND = 'wasm';
    const { stdout, stderr, exitCode } = await startPipeline(folder, ['run', 'tiny.yaml'], 'runs-wasm');
    delete process.env.PIPELINE_BACKEND;
    expect(exitCode, stdout + stderr).toBe(0);
    // In the warning, and in the first line of the run.
    expect(stdout).toMatch(/^warning: WebAssembly .*\n(.+\n)*tiny: \d+ stages on WebAssembly, /);
    expect(stdout.match(/WebAssembly/g)).toHaveLength(2);
    for (const stage of ['autoencoder', 'train']) {
      const native = await metrics(stage);
      const fallback = await metrics(stage, 'runs-wasm');
      expect(fallback.map(({ step }) => step)).toEqual(native.map(({ step }) => step));
      for (const key of ['loss', 'gradientNorm'] as const)
        // Float32 rounding, grown over the steps of two trainings: 4e-5 was seen.
        expect(fallback.map((line) => line[key])).toBeAllclose(
          native.map((line) => line[key]),
          { relative: 5e-4 },
        );
    }
    const [native, fallback] = [await pixels(), await pixels('runs-wasm')];
    expect(fallback).toHaveLength(native.length);
    const differences = native.map((value, i) => Math.abs(value - fallback[i]!));
    // Numbers that lie between two levels may be rounded to either.
    expect(Math.max(...differences)).toBeLessThanOrEqual(1);
    expect(differences.filter((difference) => difference > 0).length).toBeLessThan(native.length / 50);
  });

  it('keeps what each engine computed apart, and says which', async () => {
    // Its folder of runs holds what WebAssembly has made.
    const { stdout } = await startPipeline(folder, ['plan', 'tiny.yaml'], 'runs-wasm');
    expect(stdout).toMatch(/images +cached/);
    for (const stage of ['autoencoder', 'train'])
      expect(stdout).toMatch(new RegExp(`${stage} +runs +engine: wasm [0-9.]+ → tensorflow [0-9.]+`));
    const manifest = async (runs?: string) =>
      JSON.parse(await readFile(join(output('train', runs), 'manifest.json'), 'utf8')) as object;
    expect(await manifest()).toMatchObject({
      origin: { engine: expect.stringMatching(/^tensorflow /) as string },
      summary: { computedOn: 'processor' },
      madeWith: { build: expect.stringMatching(/^cpu|cuda$/) as string },
    });
    expect(await manifest('runs-wasm')).toMatchObject({
      origin: { engine: expect.stringMatching(/^wasm /) as string },
      summary: { computedOn: 'WebAssembly' },
      madeWith: { build: 'wasm', tensorflow: 'none' },
    });
  });

  it('is refused before any stage where the library is only not set up, naming the command that fetches it', async () => {
    const nowhere = { HOME: join(folder, 'nowhere'), PIPELINE_CACHE: '', XDG_CACHE_HOME: '' };
    const { stdout, stderr, exitCode } = await startPipeline(
      folder,
      ['run', 'tiny.yaml'],
      'runs-none',
      nowhere,
    );
    expect(exitCode).toBe(1);
    expect(stdout).not.toContain('starts');
    expect(stderr).toMatch(/not set up in .*nowhere.*\n.*`npm run setup`/);
    const cached = await startPipeline(folder, ['run', 'tiny.yaml'], 'runs', nowhere);
    expect(cached.exitCode, cached.stderr).toBe(0);
    expect(cached.stdout).toContain('6 stages cached');
  });
});
