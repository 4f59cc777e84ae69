import { copyFile, cp, mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UserError } from '../../../src/base/errors.js';
import { InputFile } from '../../../src/base/input-file.js';
import { baseOfLocation, locationOf } from '../../../src/base/patterns.js';
import { imageContainers } from '../../../src/data/images/container.js';
import { ImageDataset } from '../../../src/data/images/dataset.js';
import type { TimedRunEvent } from '../../../src/runner/run/events.js';
import { failuresOf, runText } from '../../support/run-text.js';

const fixtures = join(import.meta.dirname, '../../fixtures/images');
const synsets = ['n01440764', 'n01443537', 'n01484850'];
const names = ['tench', 'goldfish', 'great white shark'];
const numbers = ['0', '1', '2'];

/** Of `make.py`: by class and then by number, or as the rows were written. */
const byClass = [0, 1, 2].flatMap((c) => [0, 1, 2, 3].map((i) => [c, i] as const));
const byRow = [0, 1, 2, 3].flatMap((i) => [0, 1, 2].map((c) => [c, i] as const));

/** Every form of file: what `path` says, the classes, the order of the images. */
const forms = {
  gnu: ['folders-gnu.tar', synsets, byClass],
  pax: ['folders-pax.tar', synsets, byClass],
  nested: ['ILSVRC2012_img_train.tar', synsets, byClass],
  shards: ['wds-{000..001}.tar', numbers, byRow],
  folders_zip: ['folders.zip', synsets, byRow],
  edm: ['edm.zip', numbers, byRow],
  parquet: ['train-*.parquet', names, byRow],
  list: ['[train-00000-of-00002.parquet, train-00001-of-00002.parquet]', names, byRow],
} as const;
const digits = {
  idx: ['train-{images,labels}*', numbers, byRow],
  idx_gz: ['t10k-*.gz', numbers, byRow],
} as const;

let folder: string;

const run = (stages: string) =>
  runText(
    folder,
    'containers.yaml',
    `name: containers\nruntime: { device: cpu, threads: 1 }\nstages:\n${stages}`,
  );

const output = (stage: string) => join(folder, 'runs', 'containers', 'latest', stage);
const failureOf = (events: readonly TimedRunEvent[]) => failuresOf(events)[0];
const uses = (id: string, path: string, more = 'size: 16') =>
  `  ${id}: { uses: images, path: ${path.startsWith('[') ? path : JSON.stringify(path)}, ${more} }\n`;

beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'containers-')));
  for (const name of await readdir(fixtures)) await copyFile(join(fixtures, name), join(folder, name));
  const images = Object.entries({ ...forms, ...digits }).map(([id, [path]]) => uses(id, path));
  const encoded = ['shards', 'edm', 'parquet', 'list'].map(
    (id) => `  ${id}_latents: { uses: encode, images: ${id}, autoencoder: coder }\n`,
  );
  const coder = '  coder: { uses: autoencoder, images: gnu, channels: [8, 16], steps: 2, batch: 4 }\n';
  const events = await run([...images, coder, ...encoded].join(''));
  expect(failureOf(events)).toBeUndefined();
}, 300_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

async function opened(id: string, path: string): Promise<ImageDataset> {
  const base = baseOfLocation(locationOf(path, folder));
  return ImageDataset.open(output(id), base);
}

describe('the same images', () => {
  it.each(Object.entries(forms))('as %s', async (id, [path, classes, order]) => {
    const images = await opened(id, path.startsWith('[') ? 'train-00000-of-00002.parquet' : path);
    expect(images.classes).toEqual(classes);
    expect([...images.labels]).toEqual(order.map(([c]) => c));
    // At random, and at once.
    const found = await Promise.all([...order.keys()].reverse().map((index) => images.read(index)));
    expect(found.reverse().map((image) => [...image.subarray(0, 3)])).toEqual(
      order.map(([c, i]) => [80 * c, 20 * i, 128]),
    );
  });

  it.each(Object.entries(digits))('as %s', async (id, [path, classes, order]) => {
    const images = await opened(id, path);
    expect(images.classes).toEqual(classes);
    expect([...images.labels]).toEqual(order.map(([c]) => c));
    const found = await Promise.all(order.map(async (_, index) => (await images.read(index))[0]));
    expect(found).toEqual(order.map(([c, i]) => 80 * c + 20 * i));
  });

  it('have the same latents', async () => {
    const shard = async (id: string) => {
      const shards = (await readdir(output(`${id}_latents`))).filter((name) => name.endsWith('.safetensors'));
      expect(shards.length).toBeGreaterThan(0);
      return Promise.all(shards.map((name) => readFile(join(output(`${id}_latents`), name), 'hex')));
    };
    const expected = await shard('shards');
    for (const id of ['edm', 'parquet', 'list']) expect(await shard(id)).toEqual(expected);
  });
});

describe('a labels file beside files of images', () => {
  it.each(['ILSVRC2012_img_train.tar', 'wds-{000..001}.tar', 'edm.zip'])(
    'labels those of %s',
    async (path) => {
      await run(uses('own', path));
      const own = await ImageDataset.open(output('own'), folder);
      const lines = Array.from(
        { length: own.count },
        (_, i) => `${basename(own.path(i))},${i % 2 ? 'odd' : 'even'}\n`,
      );
      await writeFile(join(folder, 'labels.csv'), lines.join(''));
      expect(
        failureOf(await run(uses('labelled', path, 'labels: { file: labels.csv }, size: 16'))),
      ).toBeUndefined();
      const images = await ImageDataset.open(output('labelled'), folder);
      expect(images.classes).toEqual(['even', 'odd']);
      expect([...images.labels]).toEqual(Array.from({ length: own.count }, (_, i) => i % 2));
      expect(await images.read(3)).toEqual(await own.read(3));
    },
  );
});

describe('a set', () => {
  it('is cached wherever it lies, and its images may only be what they were', async () => {
    const there = `${folder}/elsewhere`;
    await cp(fixtures, there, { recursive: true });
    const stage = 'shards: { uses: images, path: "elsewhere/wds-{000..001}.tar", size: 16 }';
    const events = await run(`  ${stage}\n`);
    expect(events.some(({ type }) => type === 'stage-cached')).toBe(true);
    await rm(join(there, 'wds-001.tar'));
    await expect(run(`  ${stage}\n`)).rejects.toMatchObject({
      code: 'input-missing',
      message: `Stage shards reads ${join(there, 'wds-001.tar')}, which does not exist.`,
    });
    await rm(there, { recursive: true });
  });
});

describe('what cannot be read is refused by name', () => {
  it.each([
    ['a packed archive', 'folders.tar.gz', 'container-packed', 'gunzip folders.tar.gz'],
    ['parts of a set', 'parts', 'containers-of-splits', 'train, validation'],
    ['images without labels', 'train-images-idx3-ubyte', 'images-not-in-class-folders', '12 of 12 images'],
    ['files of several forms', '[edm.zip, wds-000.tar]', 'containers-mixed', 'zip'],
  ])('%s', async (_, path, code, text) => {
    if (path === 'parts')
      await cp(fixtures, join(folder, path), {
        recursive: true,
        filter: (from) => !/\.(tar|zip|gz)$|ubyte/.test(from),
      });
    const error = failureOf(await run(uses('refused', path)));
    expect(error).toMatchObject({ code });
    expect(`${error?.message} ${error?.remedy}`).toContain(text);
  });

  it.each(['copied.tar', 'copied.zip', 'copied.parquet', 'copied-images-idx3-ubyte'])(
    'what a copy that failed leaves in the place of %s',
    async (name) => {
      for (const [content, message] of [
        ['version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 99\n', 'a pointer of Git LFS'],
        ['<!DOCTYPE html><title>Login</title>', 'a web page ("Login")'],
        ['', 'it is empty'],
      ] as const) {
        await writeFile(join(folder, name), content);
        const error = failureOf(await run(uses('copied', name)));
        expect(error).toMatchObject({ code: 'file-foreign' });
        expect(error?.message).toContain(message);
      }
    },
  );

  it('files that are cut off or damaged anywhere, whatever their form', async () => {
    const containers = await imageContainers();
    const files = (await readdir(fixtures)).filter((name) => !/py$|labels|tar\.gz/.test(name));
    for (const name of files) {
      const container = containers.find(({ fileName }) => fileName.test(name))!;
      const whole = await readFile(join(fixtures, name));
      const path = join(folder, `damaged-${name}`);
      let refused = 0;
      const tries = [
        ...[0, 1, 3, 100, 600, whole.length / 2, whole.length - 1].map((end) => whole.subarray(0, end)),
        ...Array.from({ length: 40 }, (_, i) => {
          const flipped = Buffer.from(whole);
          for (let k = 0; k < 4; k++) flipped[(i * 7919 + k * 104729) % whole.length]! ^= 0xff;
          return flipped;
        }),
      ];
      for (const content of tries) {
        await writeFile(path, content);
        const file = await InputFile.open(path);
        try {
          const { images } = await container.list(file, { files: [path] });
          for (const { at } of images) await container.read(file, at);
        } catch (error) {
          if (!(error instanceof UserError))
            throw new Error(`${name}: not an error for a person`, { cause: error });
          refused++;
        } finally {
          await file.close();
        }
      }
      expect([name, refused]).toEqual([name, expect.any(Number)]);
      expect(refused).toBeGreaterThan(5);
    }
  }, 120_000);
});
