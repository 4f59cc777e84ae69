import { cp, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeEach, describe, expect, it } from 'vitest';
import { fingerprintOf, type Origin } from '../../src/runner/fingerprint/origin.js';
import type { Pipeline } from '../../src/runner/pipeline.js';
import { acceptOutput } from '../../src/runner/plan/accept.js';
import { makePlan } from '../../src/runner/plan/plan.js';
import { formatReason } from '../../src/runner/plan/reasons.js';
import type { StageRegistry } from '../../src/runner/stage.js';
import { stageRegistry } from '../../src/stages/registry.js';
import { toyCommand, toyProject } from '../cli/toy-project.js';
import { toyRegistry } from './toy-kinds.js';
import { outcomes, run, toyFolder, toyPipeline, type ToyStage, toyStages } from './toy-pipeline.js';

/** The toy stages, but for images: those are examined as they really are. */
const registry: StageRegistry = {
  ...toyRegistry(),
  load: (name) => (name === 'images' ? stageRegistry : toyRegistry()).load(name),
};

let directory: string;
const photo = (name: string) => join(directory, 'photos', name);
const picture = (path: string, red: number) =>
  sharp({ create: { width: 16, height: 16, channels: 3, background: { r: red, g: 0, b: 0 } } })
    .png()
    .toFile(path);

beforeEach(async () => {
  directory = await toyFolder();
  for (const [i, name] of ['cat', 'dog'].entries()) {
    await mkdir(photo(name), { recursive: true });
    await picture(photo(`${name}/1.png`), 100 * i);
  }
});

const stages = (
  images: Record<string, unknown> = {},
  train: Record<string, unknown> = {},
): Record<string, ToyStage> => ({
  ...toyStages(train),
  images: {
    kind: 'images',
    config: {
      ...{
        path: 'photos',
        labels: 'folders',
        size: 16,
        smallImages: 'refuse',
        background: '#ffffff',
        orientation: 'ignore',
      },
      ...{ maxCorrupt: 0, ...images },
    },
  },
});
const pipeline = (images = {}, train = {}): Pipeline => toyPipeline(directory, stages(images, train));
const go = async (planned: Pipeline): Promise<string[]> =>
  outcomes(await run(directory, planned, { registry }));
const plan = (planned: Pipeline) =>
  makePlan({ pipeline: planned, registry, runsRoot: join(directory, 'runs') });
const reasons = async (planned: Pipeline): Promise<Record<string, string>> =>
  Object.fromEntries(
    (await plan(planned)).stages.map(({ stage, reasons: why }) => [
      stage.id,
      why.map(formatReason).join('; ') || 'cached',
    ]),
  );

const imagesOnly = ['images started', 'images finished', 'train cached', 'report cached', 'run-finished'];
const allRan = ['images', 'train', 'report'].flatMap((id) => [`${id} started`, `${id} finished`]);
const allCached = ['images cached', 'train cached', 'report cached', 'run-finished'];
const unless = {
  train: 'unless images gives what it gave before',
  report: 'unless images and train give what they gave before',
};

describe('a stage that runs and gives what it gave before', () => {
  it('leaves the later ones cached: a stray file, or a key that happened to change nothing', async () => {
    await go(pipeline());
    await writeFile(photo('notes.txt'), 'a note');
    expect(await reasons(pipeline())).toEqual({ images: 'photos: 1 file added: notes.txt', ...unless });
    expect(await go(pipeline())).toEqual(imagesOnly);
    expect(await go(pipeline())).toEqual(allCached);
    expect(await reasons(pipeline({ maxCorrupt: 5 }))).toEqual({
      images: 'stages.images.maxCorrupt: 0 → 5',
      ...unless,
      report: 'upstream: images changed',
    });
    // The report shows that key.
    const withReport = [...imagesOnly.slice(0, 3), 'report started', 'report finished', 'run-finished'];
    expect(await go(pipeline({ maxCorrupt: 5 }))).toEqual(withReport);
    expect(await go(pipeline())).toEqual(allCached);
  });

  it('but not where an image has another content, though it is listed as before', async () => {
    await go(pipeline());
    await picture(photo('dog/1.png'), 200);
    expect(await go(pipeline())).toEqual([...allRan, 'run-finished']);
    expect(await reasons(pipeline({}, { steps: 4 }))).toEqual({
      images: 'cached',
      train: 'stages.train.steps: 3 → 4',
      report: 'upstream: train changed',
    });
  });

  it('lets an interrupted stage go on, though its input was made anew meanwhile', async () => {
    await go(pipeline());
    const store = join(directory, 'runs', 'store', 'train');
    const [output] = await readdir(store).then((names) => names.filter((name) => !name.includes('.')));
    await rename(join(store, output!), join(store, `${output!}.partial`));
    await rm(join(store, `${output!}.partial`, 'manifest.json'));
    await writeFile(join(store, `${output!}.partial`, 'steps.txt'), 'step 0\n');
    await writeFile(photo('notes.txt'), 'a note');
    const events = await run(directory, pipeline(), { registry });
    expect(events.find((event) => event.type === 'stage-started' && event.stage === 'train')).toMatchObject({
      resumed: true,
    });
  });

  it('says what else changed, and nothing of what is not known yet', async () => {
    await go(pipeline());
    await writeFile(photo('notes.txt'), 'a note');
    expect((await reasons(pipeline({}, { steps: 5 }))).train).toBe('stages.train.steps: 3 → 5');
  });
});

describe('a store of the time when fingerprints followed from configurations alone', () => {
  /** Writes every output's references without content, under the fingerprint that it had then. */
  async function age(): Promise<void> {
    const store = join(directory, 'runs', 'store');
    const aged = new Map<string, string>();
    for (const kind of ['images', 'train', 'report'])
      for (const name of (await readdir(join(store, kind))).filter((each) => !each.includes('.'))) {
        const file = join(store, kind, name, 'manifest.json');
        const manifest = JSON.parse(await readFile(file, 'utf8'), (key, value: unknown) =>
          key === 'content' || key === 'figures' ? undefined : value,
        ) as { fingerprint: string; sha256?: string; origin: Origin };
        delete manifest.sha256;
        const references = manifest.origin.references.map(({ path, stage, fingerprint }) => ({
          ...{ path, stage, fingerprint: aged.get(fingerprint)! },
        }));
        const origin = { ...manifest.origin, references };
        const fingerprint = fingerprintOf(origin);
        aged.set(manifest.fingerprint, fingerprint);
        await writeFile(file, JSON.stringify({ ...manifest, fingerprint, origin }));
        if (fingerprint.slice(0, 16) !== name)
          await rename(join(store, kind, name), join(store, kind, fingerprint.slice(0, 16)));
      }
    await rm(join(directory, 'runs', 'toy'), { recursive: true });
  }

  it('is used as it is, and continued', async () => {
    await go(pipeline());
    await age();
    expect(await reasons(pipeline())).toEqual({ images: 'cached', train: 'cached', report: 'cached' });
    expect(await go(pipeline())).toEqual(allCached);
    expect((await go(pipeline({}, { steps: 4 }))).slice(0, 3)).toEqual([
      'images cached',
      'train started',
      'train finished',
    ]);
    // What was passed on through old images was not noted: only an unchanged input tells that it is the same.
    await writeFile(photo('notes.txt'), 'a note');
    expect(await go(pipeline())).toEqual([...allRan, 'run-finished']);
  });
});

describe('images that are gone', () => {
  const gone = [join('photos')];

  it.each(['removed', 'an empty mount point'])('change nothing for what is cached: %s', async (how) => {
    await go(pipeline());
    await rm(join(directory, 'photos'), { recursive: true });
    if (how !== 'removed') await mkdir(join(directory, 'photos'));
    const planned = await plan(pipeline());
    expect(planned.stages.map(({ reasons: why, gone: paths }) => [why, paths])).toEqual([
      [[], gone.map((path) => join(directory, path))],
      [[], []],
      [[], []],
    ]);
    const events = await run(directory, pipeline(), { registry });
    expect(outcomes(events)).toEqual(allCached);
    expect(events.find(({ type }) => type === 'stage-cached')).toMatchObject({
      gone: [join(directory, 'photos')],
    });
  });

  it('are told of in a line by plan, run and lock, as they are really called', async () => {
    const folder = await toyProject();
    const command = async (...args: string[]) => {
      const { exitCode, stdout, stderr } = await toyCommand(folder, args);
      expect(exitCode, stdout + stderr).toBe(0);
      return stdout + stderr;
    };
    await command('run', 'toy.yaml');
    await rm(join(folder, 'data'), { recursive: true });
    for (const name of ['plan', 'run', 'lock'])
      expect(
        (await command(name, 'toy.yaml')).match(/data is gone; the output that was made from it is used/g),
      ).toHaveLength(1);
    expect(await command('run', 'toy.yaml', '--locked')).toContain('3 stages cached');
  });

  it('are missed where a stage that reads them runs, and where the path is another one', async () => {
    await go(pipeline());
    await cp(join(directory, 'photos'), join(directory, 'copy'), { recursive: true });
    await rm(join(directory, 'photos'), { recursive: true });
    await expect(plan(pipeline({}, { steps: 4 }))).rejects.toMatchObject({
      code: 'input-missing',
      message: `Stage train reads ${join(directory, 'photos')}, which does not exist.`,
    });
    await expect(plan(pipeline({ path: 'fotos' }))).rejects.toMatchObject({ code: 'input-missing' });
    await expect(plan(pipeline({ size: 8 }))).rejects.toMatchObject({ code: 'input-missing' });
    expect(await go(pipeline({ path: 'copy' }))).toEqual(allCached);
  });
});

describe('an output that is accepted as it is', () => {
  let folder: string;
  const command = (...args: string[]) => toyCommand(folder, args);
  const change = async (from: string, to: string) => {
    const file = join(folder, 'toy.yaml');
    await writeFile(file, (await readFile(file, 'utf8')).replace(from, to));
  };
  beforeEach(async () => {
    folder = await toyProject();
    await command('run', 'toy.yaml');
    await change('steps: 3', 'steps: 5');
  });

  it('is used in the place of the one that is asked for, and told of by plan, run, report and lock', async () => {
    const accepted = await command('accept', 'toy.yaml', 'autoencoder');
    expect([accepted.exitCode, accepted.stderr]).toEqual([0, '']);
    expect(accepted.stdout).toMatch(
      /^autoencoder: its output of \S+ is kept \(stages\.autoencoder\.steps: 3 → 5\)$/,
    );
    const note = /accepted on \d{4}-\d\d-\d\d as it is: stages\.autoencoder\.steps: 3 → 5/;
    const planned = await command('plan', 'toy.yaml');
    expect(planned.stdout).toMatch(note);
    expect(planned.stdout).toMatch(/autoencoder +cached/);
    const { stdout } = await command('run', 'toy.yaml');
    expect(stdout).toMatch(note);
    // Its page tells how the others came about.
    expect(stdout).toContain('report: starts (upstream: autoencoder changed)');
    expect(stdout).toContain('1 stage run, 2 cached');
    const lock = await readFile(join(folder, 'toy.lock.yaml'), 'utf8');
    expect(lock).toMatch(
      /accepted:\n +output: [\da-f]{64}\n +at: .*\n +differences:\n +- "?stages\.autoencoder\.steps: 3 → 5/,
    );
    expect((await command('run', 'toy.yaml', '--locked')).exitCode).toBe(0);
    const history = await readFile(join(folder, 'runs', 'toy', 'history.jsonl'), 'utf8');
    expect(history).toMatch(/"accepted":"[\da-f]{64}"/);
    expect((await command('accept', 'toy.yaml', 'autoencoder')).stdout).toBe('autoencoder: cached already');
    await rm(join(folder, 'runs', 'toy'), { recursive: true });
    expect((await command('gc', '--older-than', '0', 'toy.yaml', '--json')).stdout).not.toContain(
      '"autoencoder"',
    );
    // Forcing makes the real one, which is used from then on.
    expect((await command('run', 'toy.yaml', '--force', 'autoencoder')).stdout).toContain(
      'autoencoder: starts (forced)',
    );
    expect((await command('plan', 'toy.yaml')).stdout).not.toMatch(note);
  });

  it('must be there, and what it would be made from known', async () => {
    await change('size: 32', 'size: 64');
    const early = await command('accept', 'toy.yaml', 'autoencoder');
    expect([early.exitCode, early.stderr]).toEqual([
      1,
      expect.stringContaining('images has to run first, or be accepted too.'),
    ]);
    expect((await command('accept', 'toy.yaml', 'autoencoder', 'images')).exitCode).toBe(0);
    expect((await command('plan', 'toy.yaml')).stdout).toContain('1 of 3 stages to run.');
    await rm(join(folder, 'runs'), { recursive: true });
    expect((await command('accept', 'toy.yaml', 'images')).stderr).toContain('images has no finished output');
    expect((await command('accept', 'toy.yaml', 'imags')).stderr).toContain('Did you mean images?');
  });
});

describe('a seed or a precision of one stage', () => {
  const yaml = (train = '', autoencoder = '') => `name: toy
stages:
  images: { uses: images, path: data, size: 32 }
  autoencoder: { uses: autoencoder, images: images, channels: [32, 64, 96], steps: 3${autoencoder} }
  latents: { uses: encode, images: images, autoencoder: autoencoder }
  train:
    uses: train
    latents: latents
    model: { hiddenSize: 32, depth: 1, heads: 2, patchSize: 1, mediators: 4 }
    steps: 3
${train}`;
  let folder: string;
  const command = async (...args: string[]) => {
    const { exitCode, stdout, stderr } = await toyCommand(folder, args);
    expect([exitCode, stderr]).toEqual([0, '']);
    return stdout;
  };
  const write = (text: string) => writeFile(join(folder, 'toy.yaml'), text);
  beforeEach(async () => {
    folder = await toyProject();
    await write(yaml());
    await command('run', 'toy.yaml');
  });

  it('runs that stage again, and none before it', async () => {
    const earlier = ['images: cached', 'autoencoder: cached', 'latents: cached'];
    for (const [train, why] of [
      ['    seed: 7\n', 'stages.train.seed: 0 → 7'],
      ['    runtime: { precision: bfloat16 }\n', 'stages.train.runtime.precision: float32 → bfloat16'],
    ] as const) {
      await write(yaml(train));
      const plan = await command('plan', 'toy.yaml');
      expect(plan).toContain(why);
      expect(plan).toContain('1 of 4 stages to run.');
      expect((await toyCommand(folder, ['plan', 'toy.yaml', '--locked'])).stderr).toContain(
        `${why.split(':')[0]!}: ${why.includes('seed') ? '0 in the lock, 7' : 'float32 in the lock, bfloat16'} found`,
      );
      const run = await command('run', 'toy.yaml', '--no-lock');
      for (const line of [...earlier, `train: starts (${why})`]) expect(run).toContain(line);
    }
    // What changes no output does not: the same model, whatever computes it, and the same seed wherever it is written.
    await write(yaml('    seed: 0\n    runtime: { workers: 1, xla: true, precision: float32 }\n'));
    expect(await command('plan', 'toy.yaml')).toContain('Nothing to run.');
    // The file's own seed reaches the others only.
    await write(`seed: 3\n${yaml('    seed: 0\n', ', seed: 0')}`);
    expect(await command('plan', 'toy.yaml')).toContain('Nothing to run.');
    expect(await command('plan', 'toy.yaml', '--resolved')).toContain('seed: 0');
  });

  it('is swept, and refused where it would have no effect', async () => {
    await write(`${yaml()}sweep: { grid: { stages.train.seed: [0, 1] } }\n`);
    const plan = await command('sweep', 'toy.yaml', '--plan');
    expect(plan).toContain('seed 0  cached');
    expect(plan).toContain('1 of 2 trials to run: 1 stage.');
    await write(yaml().replace('size: 32 }', 'size: 32, seed: 1 }'));
    const { exitCode, stderr } = await toyCommand(folder, ['validate', 'toy.yaml']);
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('`seed`')]);
    await write(yaml('    globalBatch: 9\n    runtime: { workers: 2 }\n'));
    const odd = await toyCommand(folder, ['validate', 'toy.yaml']);
    expect(odd.stderr).toContain('cannot be divided between 2 workers');
  });
});

it('an output that was made before the engine was recorded can be accepted', async () => {
  const directory = await toyFolder();
  const stages = toyStages();
  const pipeline = toyPipeline(directory, stages);
  await run(directory, pipeline, { registry: toyRegistry({ train: { dependsOnEngine: false } }) });
  const plan = () => makePlan({ pipeline, registry: toyRegistry(), runsRoot: join(directory, 'runs') });
  const trainOf = async () => (await plan()).stages.find(({ stage }) => stage.id === 'train')!;
  const before = await trainOf();
  expect(before.reasons.map(formatReason).join()).toMatch(/^engine: \(not set\) → (tensorflow|wasm) /);
  await acceptOutput(before, pipeline.name, join(directory, 'runs'));
  const after = await trainOf();
  expect([after.reasons, after.accepted?.differences]).toEqual([[], before.reasons.map(formatReason)]);
  const events = await run(directory, pipeline);
  expect(outcomes(events)).toContain('train cached');
});
