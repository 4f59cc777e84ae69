import { closeSync, existsSync, openSync, readSync, statSync, utimesSync, writeSync } from 'node:fs';
import {
  appendFile,
  chmod,
  copyFile,
  cp,
  link,
  mkdir,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { concat, defer, finalize, ignoreElements, lastValueFrom, tap, toArray } from 'rxjs';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { withCalibration } from '../../src/cli/commands/calibrate.js';
import { expectContents } from '../../src/base/input-file.js';
import { NpzFile, writeNpz } from '../../src/formats/npz.js';
import { TorchTensorSource, writeTorchCheckpoint } from '../../src/formats/pytorch/write.js';
import { openSafetensors } from '../../src/formats/safetensors/reader.js';
import { writeShards } from '../../src/formats/safetensors/shards.js';
import { walkFiles } from '../../src/runner/fingerprint/walk-files.js';
import type { Pipeline } from '../../src/runner/pipeline.js';
import type { TimedRunEvent } from '../../src/runner/run/events.js';
import { executeHere } from '../../src/runner/run/expected-reads.js';
import { runPipeline } from '../../src/runner/run/run-pipeline.js';
import { pipelineSchema, stageSchemas } from '../../src/runner/schema/schema.js';
import type { StageReads } from '../../src/runner/stage.js';
import { type Manifest, manifestName, outputHash } from '../../src/runner/store/manifest.js';
import { loadPipeline } from '../../src/stages/load.js';
import { calibrationRegistry } from '../../src/stages/registry.js';
import type { StageOf } from '../../src/stages/shared/check.js';
import { locateLibrary } from '../../src/tensorflow/install/locate.js';
import { writeTinyDiffusers } from '../support/tiny-diffusers.js';
import { tinyInception } from '../support/tiny-inception.js';
import { tinyPipeline } from '../support/tiny-pipeline.js';
import { inputKeys, keysOf, read, stages } from './every-input.js';

let folder: string;
let pipeline: Pipeline;
/** Inputs of the stages that have run. */
const inputs = new Map<string, StageReads>();
interface Made {
  /** Folder of the output in the store. */
  readonly place: string;
  readonly hash: string | undefined;
  /** Every file of the inputs, by the name that the table has for it. */
  readonly files: ReadonlyMap<string, readonly string[]>;
}
/** Outputs of a run that nothing disturbed. */
const made = new Map<string, Made>();
const output = (stage: string) => join(folder, 'runs', 'tiny', 'latest', stage);
const image = (name = '3.png') => join(folder, 'data', 'circles', name);

interface Times {
  /** Work before a stage begins. */
  readonly before?: () => Promise<void>;
  /** Work at its first event. */
  readonly during?: () => void;
  /** Work when it has ended, before anything is sealed. */
  readonly after?: () => Promise<void>;
}

/** Runs the pipeline, and what is to be done before, during and after the work of one stage. */
async function run(stage?: string, { before, during, after }: Times = {}): Promise<TimedRunEvent[]> {
  let done: Promise<void> | undefined;
  let begun = false;
  const events = await lastValueFrom(
    runPipeline({
      pipeline,
      registry: calibrationRegistry,
      runsRoot: join(folder, 'runs'),
      signal: new AbortController().signal,
      execute: (work) => {
        if (work.context.reads) inputs.set(work.context.id, work.context.reads);
        if (work.context.id !== stage) return executeHere(work);
        return concat(
          defer(() => before?.() ?? Promise.resolve()).pipe(ignoreElements()),
          executeHere(work),
        ).pipe(
          tap(() => {
            if (!begun) during?.();
            begun = true;
          }),
          finalize(() => {
            done = after?.();
          }),
        );
      },
    }).pipe(toArray()),
  );
  await done;
  return events;
}

async function manifestOf(stage: string): Promise<Manifest> {
  return JSON.parse(await readFile(join(output(stage), 'manifest.json'), 'utf8')) as Manifest;
}

const failureOf = (events: readonly TimedRunEvent[]) =>
  events.flatMap((event) => (event.type === 'stage-failed' ? [event] : []))[0];

/** The pipeline of the file, and what `pipeline calibrate` makes of its `phased`. */
async function load(): Promise<Pipeline> {
  const loaded = await loadPipeline(join(folder, 'tiny.yaml'));
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.diagnostics));
  const phased = loaded.pipeline.stages.get('phased') as StageOf<'sample'> | undefined;
  if (phased === undefined) return loaded.pipeline;
  return { ...withCalibration(loaded.pipeline, phased, { samples: 2, replays: 1 }), name: 'tiny' };
}

const fixtures = join(import.meta.dirname, '../fixtures');

/** Writes the tensors of a file as several, with their index. */
async function reshard(path: string, directory: string, name: string): Promise<void> {
  const file = await openSafetensors(path);
  const tensors = await Promise.all(
    Array.from(file.tensors, async ([name, { shape }]) => ({
      ...{ name, dtype: 'F32' as const, shape },
      data: await file.readFloat32(name),
    })),
  );
  await file.close();
  const bytes = tensors.reduce((sum, { data }) => sum + data.byteLength, 0);
  expect(Object.keys(await writeShards(directory, name, tensors, bytes / 2)).length).toBeGreaterThan(2);
}

beforeAll(async () => {
  folder = await tinyPipeline();
  vi.stubEnv('PIPELINE_TENSORFLOW', dirname(locateLibrary()!.cc));
  vi.stubEnv('PIPELINE_CACHE', join(folder, 'cache'));
  pipeline = await load();
  expect((await run()).at(-1)?.type).toBe('run-finished');
  await cp(output('train'), join(folder, 'model'), { recursive: true, dereference: true });
  await cp(output('autoencoder'), join(folder, 'coder'), { recursive: true, dereference: true });
  await cp(join(fixtures, 'latents/mar'), join(folder, 'foreign'), {
    recursive: true,
  });
  await copyFile(join(output('sample'), 'samples.npz'), join(folder, 'given.npz'));
  const npz = await NpzFile.open(join(folder, 'given.npz'));
  const { data, shape } = await npz.read('arr_0');
  await npz.close();
  const reversed = Uint8Array.from(data as Uint8Array).reverse();
  await writeNpz(join(folder, 'reference.npz'), [{ name: 'arr_0', dtype: 'u1', shape, data: reversed }]);
  await writeFile(join(folder, 'inception.pb'), tinyInception());
  const classes = (await readdir(join(folder, 'data'))).sort();
  const rows = classes.flatMap((kind) => [0, 1, 2].map((i) => `${kind}/${i}.png,${kind}\n`));
  await writeFile(join(folder, 'labels.csv'), `file,kind\n${rows.join('')}`);
  await writeFile(join(folder, 'classes.txt'), classes.join('\n'));
  await writeFile(join(folder, 'names.txt'), classes.join('\n'));
  await writeFile(join(folder, 'foreign.txt'), 'n00\nn02\nn10\n');
  await cp(join(fixtures, 'images/folders.zip'), join(folder, 'boxed.zip'));
  await cp(join(fixtures, 'latents/lightningdit'), join(folder, 'lightning'), { recursive: true });
  const numbers = new TorchTensorSource('F32', [4], Float32Array.of(1, 2, 3, 4));
  await writeTorchCheckpoint(join(folder, 'lightning', 'latents_stats.pt'), { mean: numbers, std: numbers });
  await mkdir(join(folder, 'shards'));
  await cp(join(folder, 'model/model.json'), join(folder, 'shards/model.json'));
  await reshard(
    join(folder, 'model/checkpoints/step-000000040/average.safetensors'),
    join(folder, 'shards'),
    'average',
  );
  const vae = await writeTinyDiffusers(join(folder, 'vae'));
  const whole = join(vae, 'diffusion_pytorch_model.safetensors');
  await reshard(whole, vae, 'diffusion_pytorch_model');
  await rm(whole);
  await appendFile(join(folder, 'tiny.yaml'), stages);
  pipeline = await load();
  expect(failureOf(await run())).toBeUndefined();
  for (const id of pipeline.stages.keys())
    made.set(id, {
      place: await realpath(output(id)),
      hash: outputHash(await manifestOf(id)),
      files: await inputFiles(id),
    });
}, 600_000);

afterAll(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

/** Every file of a stage's inputs, by the name that the table has for it. */
async function inputFiles(stage: string): Promise<Map<string, string[]>> {
  const files = new Map<string, string[]>();
  const add = (name: string, path: string) => {
    const kind = name.replace(/\d+/g, '#').replace(/circles|squares|triangles/, '*');
    files.set(kind, [...(files.get(kind) ?? []), path]);
  };
  const { outputs, contents } = inputs.get(stage)!;
  const directories = new Set(outputs.map(({ directory }) => directory));
  for (const id of pipeline.stages.keys()) {
    const directory = await realpath(output(id));
    if (!directories.delete(directory)) continue;
    for (const { path } of (await manifestOf(id)).files) add(`${id}/${path}`, join(directory, path));
  }
  expect(directories).toEqual(new Set());
  for (const { location } of contents)
    for await (const batch of walkFiles(location))
      for (const { path } of batch) add(relative(folder, path), path);
  return files;
}

/** Bytes in the middle of files changed in place, as a broken disk does: times do not tell. Twice, it is undone. */
function flip(paths: readonly string[]): void {
  for (const path of paths) {
    const { mtime, atime, size } = statSync(path);
    const at = Math.floor(size * (path.endsWith('.safetensors') ? 0.9 : 0.5));
    const byte = Buffer.alloc(1);
    const file = openSync(path, 'r+');
    readSync(file, byte, 0, 1, at);
    writeSync(file, Buffer.of(byte[0]! ^ 1), 0, 1, at);
    closeSync(file);
    utimesSync(path, atime, mtime);
  }
}

/** Removes a stage's output, and what this user's cache has of it, so that it is made again. */
async function forget(stage: string): Promise<void> {
  await rm(made.get(stage)!.place, { recursive: true, force: true });
  await rm(join(folder, 'cache', 'features'), { recursive: true, force: true });
}

async function expectRefusal(stage: string, times: Times): Promise<void> {
  await forget(stage);
  expect(failureOf(await run(stage, times))).toMatchObject({ stage, failure: { code: 'input-changed' } });
  const { place } = made.get(stage)!;
  expect(existsSync(place)).toBe(false);
  const checkpoints = join(`${place}.partial`, 'checkpoints');
  expect(existsSync(checkpoints) ? await readdir(checkpoints) : []).toEqual([]);
}

async function expectSame(stage: string, events: readonly TimedRunEvent[]): Promise<void> {
  expect(failureOf(events)).toBeUndefined();
  expect(outputHash(await manifestOf(stage))).toBe(made.get(stage)!.hash);
}

const stagesRead = Object.keys(read);
const oneOfEachKind = [
  'images',
  'autoencoder',
  'coder',
  'latents',
  'foreign',
  'taken',
  'train',
  'again',
  'sample',
  'calibrate-phased',
  'played',
  'scored',
  'report',
];

describe('what changed since the plan, and is put back, makes nothing', { timeout: 120_000 }, () => {
  it.each(Object.entries(read).flatMap(([stage, files]) => files.map((file) => [stage, file] as const)))(
    '%s: %s',
    async (stage, file) => {
      const change = () => {
        flip(made.get(stage)!.files.get(file)!);
        return Promise.resolve();
      };
      await expectRefusal(stage, { before: change, after: change });
    },
  );

  const swapped: Times = {
    before: async () => {
      await rename(image(), `${image()}.kept`);
      await copyFile(image('4.png'), image());
    },
    after: () => rename(`${image()}.kept`, image()),
  };
  const appeared: Times = {
    before: () => copyFile(image('4.png'), `${image()}.png`),
    after: () => rm(`${image()}.png`),
  };
  const away: Times = {
    before: () => rename(image(), `${image()}.kept`),
    after: () => rename(`${image()}.kept`, image()),
  };
  it.each([
    ['images', 'appeared', appeared],
    ['images', 'was away', away],
    ...['images', 'autoencoder', 'latents', 'crops', 'scored'].map(
      (stage) => [stage, 'was replaced', swapped] as const,
    ),
  ] as const)('%s: an image that %s', (stage, _, times) => expectRefusal(stage, times));
});

it.each(stagesRead)(
  '%s reads no other file',
  async (stage) => {
    const others = [...made.get(stage)!.files].flatMap(([name, paths]) =>
      read[stage]!.includes(name) ? [] : paths,
    );
    const kept = (i: number) => join(folder, 'kept', String(i));
    const opened = new Set<string>();
    let end: (() => void) | undefined;
    await mkdir(join(folder, 'kept'), { recursive: true });
    await forget(stage);
    const events = await run(stage, {
      before: async () => {
        end = expectContents((path) => Promise.resolve(void opened.add(path)));
        for (const [i, path] of others.entries()) {
          await rename(path, kept(i));
          await writeFile(path, 'nonsense');
        }
      },
      after: async () => {
        end!();
        for (const [i, path] of others.entries()) await rename(kept(i), path);
      },
    });
    await expectSame(stage, events);
    const known = new Set([...made.get(stage)!.files.values()].flat());
    const isOwn = (path: string) =>
      path.startsWith(made.get(stage)!.place) || path.startsWith(join(folder, 'cache'));
    expect(
      [...opened].filter(
        (path) => existsSync(path) && !known.has(path) && !isOwn(path) && basename(path) !== manifestName,
      ),
    ).toEqual([]);
  },
  120_000,
);

it.each(oneOfEachKind)(
  '%s makes the same, or nothing, of files that change while it runs',
  async (stage) => {
    const paths = read[stage]!.flatMap((file) => made.get(stage)!.files.get(file)!);
    await forget(stage);
    let isChanged = false;
    const change = () => {
      flip(paths);
      isChanged = !isChanged;
    };
    const events = await run(stage, {
      during: change,
      after: () => {
        if (isChanged) change();
        return Promise.resolve();
      },
    });
    const failure = failureOf(events);
    if (failure) expect(failure).toMatchObject({ stage, failure: { code: 'input-changed' } });
    await expectSame(stage, failure ? await run() : events);
  },
  120_000,
);

it('every kind of stage, and every key that names an input, is among those', () => {
  const { stages } = pipeline;
  expect([...stages.keys()].sort()).toEqual([...stagesRead].sort());
  const used = new Set<string>();
  for (const { kind, config, references } of stages.values()) {
    for (const { path, stage } of references) {
      const key = path.replace(/\.\d+/g, '');
      used.add(`${kind} ${key}: ${stages.get(stage)!.kind}`).add(`${kind} ${key}: any`);
    }
    for (const key of keysOf(config)) used.add(`${kind} ${key}`);
  }
  const wanted = stageSchemas(pipelineSchema()).flatMap(({ kind, schema }) =>
    Array.from(inputKeys(schema), (key) => `${kind} ${key}`),
  );
  expect(wanted.length).toBeGreaterThan(30);
  expect(wanted.filter((key) => !used.has(key))).toEqual([]);
  expect(
    calibrationRegistry.names.filter((kind) => ![...stages.values()].some((stage) => stage.kind === kind)),
  ).toEqual([]);
});

describe('what changed but in its content is no matter', () => {
  it('goes on where files were touched, made read-only and linked', async () => {
    await forget('train');
    const [shard] = made.get('train')!.files.get('latents/latents-#.safetensors')!;
    const before = async () => {
      await utimes(shard!, new Date(), new Date());
      await chmod(shard!, 0o444);
      await link(shard!, join(folder, 'linked'));
    };
    await expectSame('train', await run('train', { before }));
  });

  it('goes on where the remembered hashes are of another shape, cut, or gone', async () => {
    const remembered = join(folder, 'runs', 'store', '.hashes');
    for (const name of await readdir(remembered))
      await writeFile(join(remembered, name), '{"format":2\n[1]\nnull\n');
    const listings = join(folder, 'runs', 'store', '.inputs');
    for (const name of await readdir(listings))
      await writeFile(join(listings, name), (await readFile(join(listings, name))).subarray(0, 40));
    await forget('images');
    await expectSame('images', await run());
  });
});
