import { existsSync } from 'node:fs';
import {
  appendFile,
  chmod,
  copyFile,
  cp,
  link,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { concat, defer, finalize, ignoreElements, lastValueFrom, toArray } from 'rxjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NpzFile, writeNpz } from '../../src/formats/npz.js';
import type { TimedRunEvent } from '../../src/runner/run/events.js';
import { executeHere } from '../../src/runner/run/expected-reads.js';
import { runPipeline } from '../../src/runner/run/run-pipeline.js';
import { type Manifest, outputHash } from '../../src/runner/store/manifest.js';
import { loadPipeline } from '../../src/stages/load.js';
import { stageRegistry } from '../../src/stages/registry.js';
import { tinyPipeline } from '../support/tiny-pipeline.js';

// Every stage that reads something, with few steps. `model` is a copy of what `train` left, `given.npz` of its samples.
const stages = `
  labelled: { uses: images, path: data, size: 16, labels: { file: labels.csv, image: file, label: kind } }
  again: { uses: train, latents: latents, start: train, model: { hiddenSize: 32, depth: 2, heads: 2, patchSize: 1, mediators: [4, 0] }, steps: 2, globalBatch: 4 }
  taken: { uses: pretrained, path: model }
  file: { uses: pretrained, path: model/checkpoints/step-000000040/average.safetensors }
  coder: { uses: autoencoder, weights: coder }
  compared: { uses: evaluate, samplesFile: given.npz, referenceFile: reference.npz, metrics: [latentFrechetDistance], autoencoder: autoencoder }
  crops: { uses: train, images: images, autoencoder: autoencoder, crop: random, model: { hiddenSize: 32, depth: 1, heads: 2, patchSize: 1, mediators: 4 }, steps: 2, globalBatch: 4 }
`;

let folder: string;
const hashes = new Map<string, string | undefined>();
const output = (stage: string) => join(folder, 'runs', 'tiny', 'latest', stage);
const image = () => join(folder, 'data', 'circles', '3.png');

/** Runs the pipeline; `before` and `after` a stage's work what they are given for is done. */
async function run(
  stage?: string,
  before: () => Promise<void> = () => Promise.resolve(),
  after: () => Promise<void> = () => Promise.resolve(),
): Promise<TimedRunEvent[]> {
  const loaded = await loadPipeline(join(folder, 'tiny.yaml'));
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.diagnostics));
  let done: Promise<void> | undefined;
  const events = await lastValueFrom(
    runPipeline({
      pipeline: loaded.pipeline,
      registry: stageRegistry,
      runsRoot: join(folder, 'runs'),
      signal: new AbortController().signal,
      execute: (work) =>
        work.context.id !== stage
          ? executeHere(work)
          : concat(defer(before).pipe(ignoreElements()), executeHere(work)).pipe(
              finalize(() => {
                done = after();
              }),
            ),
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

beforeAll(async () => {
  folder = await tinyPipeline();
  const path = join(folder, 'tiny.yaml');
  expect((await run()).at(-1)?.type).toBe('run-finished');
  await cp(output('train'), join(folder, 'model'), { recursive: true, dereference: true });
  await cp(output('autoencoder'), join(folder, 'coder'), { recursive: true, dereference: true });
  await copyFile(join(output('sample'), 'samples.npz'), join(folder, 'given.npz'));
  const npz = await NpzFile.open(join(folder, 'given.npz'));
  const { data, shape } = await npz.read('arr_0');
  await npz.close();
  const reversed = Uint8Array.from(data as Uint8Array).reverse();
  await writeNpz(join(folder, 'reference.npz'), [{ name: 'arr_0', dtype: 'u1', shape, data: reversed }]);
  const classes = await readdir(join(folder, 'data'));
  const rows = classes.flatMap((kind) => [0, 1, 2].map((i) => `${kind}/${i}.png,${kind}\n`));
  await writeFile(join(folder, 'labels.csv'), `file,kind\n${rows.join('')}`);
  await appendFile(path, stages);
  const events = await run();
  expect(failureOf(events)).toBeUndefined();
  for (const id of await readdir(output('')))
    if (existsSync(join(output(id), 'manifest.json'))) hashes.set(id, outputHash(await manifestOf(id)));
  expect(hashes.size).toBe(13);
}, 600_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

/** Another image in the place of one, and the one back. */
const swapped = (path: () => string, other: () => string) => ({
  before: async () => {
    await rename(path(), `${path()}.kept`);
    await copyFile(other(), path());
  },
  after: () => rename(`${path()}.kept`, path()),
});

/** Some bytes in the middle of a file changed in place, and changed back: only times tell. */
function damaged(path: () => string, place = 0.9) {
  const flip = async () => {
    const { mtime, atime } = await stat(path());
    const file = await open(path(), 'r+');
    const byte = Buffer.alloc(1);
    const at = Math.floor((await file.stat()).size * place);
    await file.read(byte, 0, 1, at);
    await file.write(Buffer.of(byte[0]! ^ 1), 0, 1, at);
    await file.close();
    await utimes(path(), atime, mtime);
  };
  return { before: flip, after: flip };
}

const first = async (directory: string, ending: string) =>
  join(
    directory,
    (await readdir(directory)).sort().find((name) => name.endsWith(ending))!,
  );

describe('what changed since the plan, and is put back, makes nothing', () => {
  const other = () => join(folder, 'data', 'circles', '4.png');
  const inOutput = (stage: string, path: string) => () => join(output(stage), path);
  it.each([
    ['images', 'an image that was replaced', swapped(image, other)],
    [
      'images',
      'an image that appeared',
      { before: () => copyFile(other(), `${image()}.png`), after: () => rm(`${image()}.png`) },
    ],
    [
      'images',
      'an image that was away',
      { before: () => rename(image(), `${image()}.kept`), after: () => rename(`${image()}.kept`, image()) },
    ],
    ['labelled', 'a labels file', damaged(() => join(folder, 'labels.csv'), 0.99)],
    ['autoencoder', 'an image', swapped(image, other)],
    ['autoencoder', 'the index of images', damaged(inOutput('images', 'index.jsonl'))],
    ['latents', 'an image', swapped(image, other)],
    [
      'latents',
      'the weights of the autoencoder',
      damaged(inOutput('autoencoder', 'checkpoints/step-000000012/average.safetensors')),
    ],
    [
      'latents',
      'the description of the autoencoder',
      damaged(inOutput('autoencoder', 'autoencoder.json'), 0.5),
    ],
    ['train', 'a shard of latents', damaged(inOutput('latents', 'latents-00001.safetensors'))],
    ['train', 'the index of latents', damaged(inOutput('latents', 'index.json'), 0.5)],
    ['crops', 'an image', swapped(image, other)],
    [
      'again',
      'the model to start from',
      damaged(inOutput('train', 'checkpoints/step-000000040/weights.safetensors')),
    ],
    [
      'sample',
      'the weights of the model',
      damaged(inOutput('train', 'checkpoints/step-000000040/average.safetensors')),
    ],
    ['sample', 'the description of the model', damaged(inOutput('train', 'model.json'), 0.5)],
    [
      'taken',
      'a file in the folder of a model',
      damaged(() => join(folder, 'model', 'checkpoints/step-000000040/weights.safetensors')),
    ],
    ['taken', 'its description', damaged(() => join(folder, 'model', 'model.json'), 0.5)],
    [
      'file',
      'a file of weights',
      damaged(() => join(folder, 'model', 'checkpoints/step-000000040/average.safetensors')),
    ],
    [
      'coder',
      'the weights of a trained autoencoder',
      damaged(() => join(folder, 'coder', 'checkpoints/step-000000012/average.safetensors')),
    ],
    ['compared', 'the samples', damaged(() => join(folder, 'given.npz'), 0.5)],
    ['compared', 'the reference', damaged(() => join(folder, 'reference.npz'), 0.5)],
    ['report', 'a picture', damaged(inOutput('autoencoder', 'reconstructions.png'), 0.5)],
    ['report', 'a log of losses', damaged(inOutput('train', 'metrics.jsonl'), 0.5)],
  ] as const)(
    '%s: %s',
    async (stage, _, { before, after }) => {
      const { fingerprint, kind } = await manifestOf(stage);
      const place = join(folder, 'runs', 'store', kind, fingerprint.slice(0, 16));
      await rm(place, { recursive: true });
      const failure = failureOf(await run(stage, before, after));
      expect(failure).toMatchObject({ stage, failure: { code: 'input-changed' } });
      expect(existsSync(place)).toBe(false);
      const checkpoints = join(`${place}.partial`, 'checkpoints');
      expect(existsSync(checkpoints) ? await readdir(checkpoints) : []).toEqual([]);
      expect(failureOf(await run())).toBeUndefined();
      expect(outputHash(await manifestOf(stage))).toBe(hashes.get(stage));
    },
    120_000,
  );
});

describe('what changed but in its content is no matter', () => {
  it('goes on where files were touched, made read-only and linked', async () => {
    const { kind, fingerprint } = await manifestOf('train');
    await rm(join(folder, 'runs', 'store', kind, fingerprint.slice(0, 16)), { recursive: true });
    const shard = await first(output('latents'), '.safetensors');
    const events = await run('train', async () => {
      await utimes(shard, new Date(), new Date());
      await chmod(shard, 0o444);
      await link(shard, join(folder, 'linked'));
    });
    expect(failureOf(events)).toBeUndefined();
    expect(outputHash(await manifestOf('train'))).toBe(hashes.get('train'));
  }, 60_000);

  it('goes on where the remembered hashes are of another shape, cut, or gone', async () => {
    const remembered = join(folder, 'runs', 'store', '.hashes');
    for (const name of await readdir(remembered))
      await writeFile(join(remembered, name), '{"format":2\n[1]\nnull\n');
    const listings = join(folder, 'runs', 'store', '.inputs');
    for (const name of await readdir(listings))
      await writeFile(join(listings, name), (await readFile(join(listings, name))).subarray(0, 40));
    const { kind, fingerprint } = await manifestOf('images');
    await rm(join(folder, 'runs', 'store', kind, fingerprint.slice(0, 16)), { recursive: true });
    expect(failureOf(await run())).toBeUndefined();
    expect(outputHash(await manifestOf('images'))).toBe(hashes.get('images'));
  }, 60_000);
});
