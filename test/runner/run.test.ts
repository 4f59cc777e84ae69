import { createHash } from 'node:crypto';
import {
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Observable, throwError } from 'rxjs';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { TimedRunEvent } from '../../src/runner/run/events.js';
import { createRunFolder } from '../../src/runner/run/run-folder.js';
import type { StageEvent } from '../../src/runner/stage.js';
import { toyRegistry } from './toy-kinds.js';
import { outcomes, run, toyFolder, toyPipeline, toyStages } from './toy-pipeline.js';

let directory: string;
const pipeline = (train = {}, rest = {}) => toyPipeline(directory, toyStages(train), rest);
const allRan = ['images', 'train', 'report'].flatMap((id) => [`${id} started`, `${id} finished`]);
const allCached = ['images cached', 'train cached', 'report cached', 'run-finished'];

beforeEach(async () => {
  directory = await toyFolder();
});

const find = <T extends TimedRunEvent['type']>(events: readonly TimedRunEvent[], type: T) =>
  events.find((event) => event.type === type) as Extract<TimedRunEvent, { type: T }>;

async function outputOf(stage: string): Promise<string> {
  const run = join(directory, 'runs', 'toy', 'latest');
  return join(run, await readlink(join(run, stage)));
}

describe('a run', () => {
  it('runs each stage in order, then takes everything from the cache', async () => {
    expect(outcomes(await run(directory, pipeline()))).toEqual([...allRan, 'run-finished']);
    expect(outcomes(await run(directory, pipeline()))).toEqual(allCached);
  });

  it('leaves outputs with a manifest of sizes and SHA-256, and a run with links to them', async () => {
    const events = await run(directory, pipeline());
    const folder = find(events, 'run-started').directory;
    expect((await readdir(folder)).sort()).toEqual(
      [
        'events.jsonl',
        'images',
        'images.log',
        'origins.json',
        'report',
        'report.log',
        'resolved.yaml',
        'run.json',
        'train',
        'train.log',
      ].sort(),
    );
    expect(await readlink(join(directory, 'runs', 'toy', 'latest'))).toBe(folder.split('/').at(-1));
    const manifest = JSON.parse(await readFile(join(folder, 'images', 'manifest.json'), 'utf8')) as {
      files: unknown;
      summary: unknown;
    };
    const names = 'a.png\nb.png\n';
    expect(manifest.files).toEqual([
      { path: 'names.txt', bytes: names.length, sha256: createHash('sha256').update(names).digest('hex') },
    ]);
    expect(manifest.summary).toEqual({ images: 2 });
    const record = JSON.parse(await readFile(join(folder, 'run.json'), 'utf8')) as {
      status: string;
      stages: Record<string, { status: string }>;
    };
    expect([record.status, ...Object.values(record.stages).map(({ status }) => status)]).toEqual(
      Array(4).fill('finished'),
    );
    const lines = (await readFile(join(folder, 'events.jsonl'), 'utf8')).trim().split('\n');
    expect((JSON.parse(lines.at(-1)!) as TimedRunEvent).type).toBe('run-finished');
    expect(await readFile(join(folder, 'resolved.yaml'), 'utf8')).toContain('steps: 3');
    expect(find(events, 'run-finished').pages).toEqual([join(await outputOf('report'), 'index.html')]);
    const store = await readdir(join(directory, 'runs', 'store', 'train'));
    expect(store.filter((name) => /partial|session/.test(name))).toEqual([]);
  });

  it('runs what is wanted only, with --until', async () => {
    expect(outcomes(await run(directory, pipeline(), { until: 'train' }))).toEqual([
      ...allRan.slice(0, 4),
      'run-finished',
    ]);
    await expect(run(directory, pipeline(), { until: 'trian' })).rejects.toMatchObject({
      code: 'no-such-stage',
      remedy: 'Did you mean train?',
    });
  });

  it('runs a forced stage and what depends on it again, keeping the old output until then', async () => {
    await run(directory, pipeline());
    const before = await outputOf('train');
    const seen: boolean[] = [];
    const events = await run(directory, pipeline(), {
      force: ['train'],
      registry: toyRegistry({
        train: {
          run: () =>
            new Observable<StageEvent>((subscriber) => {
              void lstat(join(before, 'manifest.json'))
                .then(
                  () => seen.push(true),
                  () => seen.push(false),
                )
                .then(() => {
                  subscriber.complete();
                });
            }),
        },
      }),
    });
    expect(outcomes(events)).toEqual(['images cached', ...allRan.slice(2), 'run-finished']);
    expect(seen).toEqual([true]);
    expect((await readdir(join(before, '..'))).filter((name) => name.includes('replaced'))).toEqual([]);
  });

  it('runs a forced stage also where a clock that was ahead gave its output, or what is begun of it, a later time', async () => {
    const tomorrow = Date.now() + 86_400_000;
    const failing = toyRegistry({ train: { run: () => throwError(() => new Error('NaN in step 2')) } });
    vi.useFakeTimers({ toFake: ['Date'], now: tomorrow });
    await run(directory, pipeline({}));
    await run(directory, pipeline({ steps: 4 }), { registry: failing });
    vi.useRealTimers();
    const force = ['train'];
    expect(outcomes(await run(directory, pipeline(), { force }))).toEqual([
      'images cached',
      ...allRan.slice(2),
      'run-finished',
    ]);
    const anew = find(await run(directory, pipeline({ steps: 4 }), { force }), 'stage-started');
    expect(anew.resumed).toBe(false);
  });

  it('shares outputs between pipelines, whatever their names and the names of their stages', async () => {
    await run(directory, pipeline());
    const renamed = toyPipeline(
      directory,
      {
        pictures: { kind: 'images', config: { path: './data ä/' } },
        net: { kind: 'train', config: { steps: 3, latents: 'pictures' }, references: ['latents'] },
      },
      { name: 'other' },
    );
    expect(outcomes(await run(directory, renamed))).toEqual([
      'pictures cached',
      'net cached',
      'run-finished',
    ]);
  });
});

describe('a failure', () => {
  it('is told once, with its log, and the next run starts at that stage', async () => {
    const registry = toyRegistry({ train: { run: () => throwError(() => new Error('NaN in step 2')) } });
    const events = await run(directory, pipeline(), { registry });
    expect(outcomes(events)).toEqual([...allRan.slice(0, 3), 'train failed', 'run-failed']);
    const failed = find(events, 'stage-failed');
    expect(failed.failure.message).toBe('NaN in step 2');
    expect(failed.failure.stack).toContain('run.test.ts');
    expect(await readFile(failed.log, 'utf8')).toContain('NaN in step 2');
    expect(outcomes(await run(directory, pipeline()))).toEqual([
      'images cached',
      ...allRan.slice(2),
      'run-finished',
    ]);
  });

  it.each([
    Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' }),
    new Error('pngsave: write error: No space left on device'),
  ])('of the disk is one for the user: %s', async (error) => {
    const registry = toyRegistry({ train: { run: () => throwError(() => error) } });
    const { failure } = find(await run(directory, pipeline(), { registry }), 'stage-failed');
    expect(failure).toEqual({
      code: 'disk-full',
      message: `${join(directory, 'runs')}: there is no space left on the disk.`,
      remedy: 'Free some space, then run again.',
    });
  });

  it('of a stage that aborts by itself is not an interruption', async () => {
    const registry = toyRegistry({
      train: { run: () => throwError(() => new DOMException('gone', 'AbortError')) },
    });
    expect(outcomes(await run(directory, pipeline(), { registry })).at(-1)).toBe('run-failed');
  });

  it('names a folder of runs that is a file, and inputs that do not exist', async () => {
    await writeFile(join(directory, 'runs'), '');
    await expect(run(directory, pipeline())).rejects.toMatchObject({ code: 'runs-folder-not-a-folder' });
    await rm(join(directory, 'runs'));
    await rm(join(directory, 'data ä'), { recursive: true });
    await expect(run(directory, pipeline())).rejects.toMatchObject({
      code: 'input-missing',
      message: `Stage images reads ${join(directory, 'data ä')}, which does not exist.`,
    });
    const record = await readFile(join(directory, 'runs', 'toy', 'latest', 'run.json'), 'utf8');
    expect((JSON.parse(record) as { status: string }).status).toBe('failed');
  });
});

describe('an interruption', () => {
  it('stops the stage, and the next run continues it', async () => {
    const controller = new AbortController();
    const registry = toyRegistry();
    process.env.TOY_STEP_MS = '5';
    const first: TimedRunEvent[] = [];
    const { runPipeline } = await import('../../src/runner/run/run-pipeline.js');
    await new Promise<void>((resolve, reject) => {
      runPipeline({
        pipeline: pipeline({ steps: 60 }),
        registry,
        runsRoot: join(directory, 'runs'),
        signal: controller.signal,
      }).subscribe({
        next: (event) => {
          first.push(event);
          if (event.type === 'stage-event' && event.event.type === 'progress' && event.event.done === 10)
            controller.abort(new DOMException('Ctrl-C', 'AbortError'));
        },
        error: reject,
        complete: resolve,
      });
    });
    process.env.TOY_STEP_MS = '0';
    expect(outcomes(first)).toEqual([...allRan.slice(0, 3), 'run-interrupted']);
    const second = await run(directory, pipeline({ steps: 60 }));
    expect(outcomes(second)).toEqual(['images cached', ...allRan.slice(2), 'run-finished']);
    const started = second.filter((event) => event.type === 'stage-started');
    expect(started.map(({ resumed }) => resumed)).toEqual([true, false]);
    const steps = (
      await readFile(join(find(second, 'run-started').directory, 'train', 'steps.txt'), 'utf8')
    ).trim();
    expect(steps.split('\n')).toEqual(Array.from({ length: 60 }, (_, i) => `step ${i}`));
    const finished = second.find((event) => event.type === 'stage-finished' && event.stage === 'train');
    const { seconds, totalSeconds } = finished as Extract<TimedRunEvent, { type: 'stage-finished' }>;
    expect(totalSeconds - seconds).toBeGreaterThan(0.04);
  });
});

describe('a damaged output', () => {
  const damages: [string, (file: string) => Promise<void>, string][] = [
    ['a cut file', (file) => truncate(file, 3), 'names.txt has 3 bytes instead of 12'],
    ['a missing file', (file) => rm(file), 'names.txt is missing'],
    [
      'changed content, with its time set back',
      async (file) => {
        const { atime, mtime } = await stat(file);
        await writeFile(file, 'a.png\nX.png\n');
        await utimes(file, atime, mtime);
      },
      'names.txt has other content than was written (SHA-256 differs)',
    ],
    [
      'a cut manifest',
      (file) => truncate(join(file, '..', 'manifest.json'), 9),
      'manifest.json is not valid JSON',
    ],
    ['a missing manifest', (file) => rm(join(file, '..', 'manifest.json')), 'manifest.json is missing'],
  ];
  it.each(damages)('is named, moved aside and made again: %s', async (_what, damage, problem) => {
    await run(directory, pipeline());
    await run(directory, pipeline());
    const output = await outputOf('images');
    await damage(join(output, 'names.txt'));
    const events = await run(directory, pipeline());
    expect(outcomes(events)).toEqual([
      'images damaged',
      'images started',
      'images finished',
      'train cached',
      'report cached',
      'run-finished',
    ]);
    const { movedTo, ...damaged } = find(events, 'output-damaged');
    expect(damaged.problem).toBe(problem);
    expect((await lstat(movedTo)).isDirectory()).toBe(true);
    expect(outcomes(await run(directory, pipeline()))).toEqual(allCached);
  });
});

describe('a crash while an output is put in its place', () => {
  it('after the manifest was written: the next run finishes the rename', async () => {
    await run(directory, pipeline());
    const output = await outputOf('train');
    const { rename } = await import('node:fs/promises');
    await rename(output, `${output}.partial`);
    expect(outcomes(await run(directory, pipeline()))).toEqual(allCached);
  });
  it('before: what is left is continued', async () => {
    await run(directory, pipeline());
    const output = await outputOf('train');
    await mkdir(`${output}.partial`);
    await writeFile(join(`${output}.partial`, 'steps.txt'), 'step 0\n');
    await writeFile(join(`${output}.partial`, 'manifest.json'), '{"format":');
    await rm(output, { recursive: true });
    const events = await run(directory, pipeline());
    expect(find(events, 'stage-started').resumed).toBe(true);
    expect(await readFile(join(output, 'steps.txt'), 'utf8')).toBe('step 0\nstep 1\nstep 2\n');
  });
});

describe('two runs at once', () => {
  it('do not repeat work', async () => {
    process.env.TOY_STEP_MS = '10';
    const both = await Promise.all([
      run(directory, pipeline({ steps: 20 })),
      run(directory, pipeline({ steps: 20 })),
    ]);
    process.env.TOY_STEP_MS = '0';
    const counts = ['images', 'train', 'report'].map(
      (id) => both.flatMap(outcomes).filter((outcome) => outcome === `${id} started`).length,
    );
    expect(counts).toEqual([1, 1, 1]);
    const waiting = both.flat().find((event) => event.type === 'stage-waiting');
    expect(waiting).toMatchObject({ holder: { pid: process.pid } });
    expect(both.map((events) => events.at(-1)?.type)).toEqual(['run-finished', 'run-finished']);
  });

  it('may begin at the same moment, in one process too', async () => {
    const one = pipeline();
    const runs = join(directory, 'runs');
    const folders = await Promise.all(Array.from({ length: 20 }, () => createRunFolder(runs, one)));
    expect(new Set(folders.map((folder) => folder.directory)).size).toBe(20);
    expect((await readdir(join(runs, 'toy'))).filter((name) => name.endsWith('.tmp'))).toEqual([]);
    expect(folders.map((folder) => basename(folder.directory))).toContain(
      await readlink(join(runs, 'toy', 'latest')),
    );
  });
});
