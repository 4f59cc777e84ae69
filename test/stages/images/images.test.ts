import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { lastValueFrom, toArray } from 'rxjs';
import { afterAll, describe, expect, it } from 'vitest';
import { onDamaged, sealLine } from '../../../src/base/sealed.js';
import { ImageDataset } from '../../../src/data/images/dataset.js';
import type { ImagesConfig } from '../../../src/generated/index.js';
import type { StageContext } from '../../../src/runner/stage.js';
import { stage } from '../../../src/stages/images/kind.js';
import { folderWith, removeFolders } from '../../data/images/folders.js';
import { runtimeConfig } from '../../support/runtime-config.js';

afterAll(removeFolders);

const defaults: ImagesConfig = {
  path: 'images',
  labels: 'folders',
  size: 8,
  smallImages: 'refuse',
  background: '#ffffff',
  orientation: 'ignore',
  maxCorrupt: 0,
};

function context(pipelineDirectory: string, signal = new AbortController().signal): StageContext {
  return {
    id: 'images',
    pipelineName: 'test',
    pipelineDirectory,
    seed: 0,
    runtime: runtimeConfig(),
    directory: join(pipelineDirectory, 'out'),
    input: () => {
      throw new Error('the images stage has no inputs');
    },
    signal,
  };
}

async function run(files: Parameters<typeof folderWith>[0], config: Partial<ImagesConfig> = {}) {
  const home = await folderWith(files);
  await mkdir(join(home, 'out'));
  const events = stage.run({ ...defaults, ...config }, context(home)).pipe(toArray());
  return { home, out: join(home, 'out'), events: await lastValueFrom(events) };
}

/** A cat and a dog, and more. */
const files = (more: Record<string, string | true | [number, number]> = {}): typeof more => ({
  'images/cat/a.png': true,
  'images/dog/b.png': [20, 12],
  ...more,
});

describe('an examination that was interrupted', () => {
  /** What a session before left of an examination of three images. */
  async function resumed(log: string) {
    const home = await folderWith(files({ 'images/dog/c.png': [10, 10] }));
    await mkdir(join(home, 'out'));
    await writeFile(join(home, 'out', 'examined.partial.jsonl'), log);
    const config = { ...defaults, maxCorrupt: 1 };
    const events = await lastValueFrom(stage.run(config, context(home)).pipe(toArray()));
    expect((await readdir(join(home, 'out'))).sort()).toEqual(['index.jsonl', 'set.json', 'skipped.json']);
    return { events, index: await readFile(join(home, 'out', 'index.jsonl'), 'utf8') };
  }
  const usable = (path: string, label: number, width: number) =>
    sealLine({
      kind: 'usable',
      entry: { path, label, width, height: 9 },
      facts: { format: 'PNG', colours: 'RGB' },
      sha256: 'ab',
    });

  it('goes on where it was, and does not open again what had been opened', async () => {
    // Sizes that the files do not have show where they come from.
    const { index, events } = await resumed(
      `${usable('cat/a.png', 0, 77)}\n${usable('dog/b.png', 1, 78)}\n{"kind":"us`,
    );
    expect(index).toBe('["cat/a.png",0,77,9]\n["dog/b.png",1,78,9]\n["dog/c.png",1,10,10]\n');
    expect(events.find(({ type }) => type === 'progress')).toMatchObject({ done: 3, total: 3 });
  });

  it('opens again from a corrupt image on', async () => {
    const corrupt = sealLine({ kind: 'corrupt', path: 'dog/b.png', reason: 'permission is denied' });
    const { index } = await resumed(
      `${usable('cat/a.png', 0, 77)}\n${corrupt}\n${usable('dog/c.png', 1, 79)}\n`,
    );
    expect(index).toBe('["cat/a.png",0,77,9]\n["dog/b.png",1,20,12]\n["dog/c.png",1,10,10]\n');
  });

  it('opens again from a line on that is damaged, and says so; one that was cut off at the end is none', async () => {
    const told: string[] = [];
    const end = onDamaged((message) => told.push(message));
    try {
      const [first, second] = [usable('cat/a.png', 0, 77), usable('dog/b.png', 1, 78)];
      const { index } = await resumed(`${first}\n${second.replace('78', '79')}\n`);
      expect(index).toBe('["cat/a.png",0,77,9]\n["dog/b.png",1,20,12]\n["dog/c.png",1,10,10]\n');
      expect(told).toEqual([
        expect.stringMatching(/examined\.partial\.jsonl is damaged .*examined again\.$/),
      ]);
      await resumed(`${first}\n${second.slice(0, 40)}`);
      expect(told).toHaveLength(1);
      await resumed(`${first.slice(0, 40)}\n${second}\n`);
      expect(told).toHaveLength(2);
    } finally {
      end();
    }
  });
});

describe('the images stage', () => {
  it('writes an index that a dataset reads', async () => {
    const { out, home, events } = await run(files());
    expect(events.at(-2)).toEqual({ type: 'progress', done: 2, total: 2, unit: 'images' });
    expect(events.at(-1)).toEqual({
      type: 'summary',
      values: {
        ...{ images: 2, classes: ['cat', 'dog'], perClass: { cat: 1, dog: 1 }, size: 8, skipped: 0 },
        files: {
          ...{ formats: { PNG: 2 }, colours: { RGB: 2 }, turned: 0, withAlpha: 0, several: 0 },
          ...{ widths: [8, 8, 20, 20, 20], heights: [8, 8, 12, 12, 12], duplicates: 0, inOtherClasses: 0 },
        },
      },
    });
    expect((await readdir(out)).sort()).toEqual(['index.jsonl', 'set.json', 'skipped.json']);
    expect(await readFile(join(out, 'index.jsonl'), 'utf8')).toBe(
      '["cat/a.png",0,8,8]\n["dog/b.png",1,20,12]\n',
    );
    const dataset = await ImageDataset.open(out, join(home, 'images'));
    expect(dataset).toMatchObject({
      count: 2,
      size: 8,
      classes: ['cat', 'dog'],
      labels: Int32Array.of(0, 1),
    });
    const batch = new Uint8Array(3 * 8 * 8 * 3);
    await dataset.readBatch([1, 0, 1], batch);
    expect([...batch]).toEqual(Array.from({ length: 3 * 64 }, () => [0x33, 0x66, 0x99]).flat());
    await rm(join(home, 'images/cat/a.png'));
    await dataset.read(0);
    await expect((await ImageDataset.open(out, join(home, 'images'))).read(0)).rejects.toMatchObject({
      code: 'image-missing',
      message: `${join(home, 'images/cat/a.png')}: there is no such file or folder; it was there when the images were examined.`,
    });
    expect(() => dataset.path(2)).toThrow('there is no image 2 among 2');
  });

  it('keeps no more in memory than allowed', async () => {
    const { out, home } = await run(files());
    const dataset = await ImageDataset.open(out, join(home, 'images'), { memoryLimit: 8 * 8 * 3 });
    await dataset.read(0);
    await dataset.read(1);
    await rm(join(home, 'images'), { recursive: true });
    await dataset.read(0);
    await expect(dataset.read(1)).rejects.toMatchObject({ code: 'image-missing' });
  });

  it('depends on the folder and the labels file', () => {
    expect(stage.externalInputs(defaults, '/home/pipelines')).toEqual(['/home/pipelines/images']);
    const labels = { file: '../labels.csv', image: 'file', label: 'kind' };
    expect(stage.externalInputs({ ...defaults, labels }, '/home/pipelines')).toEqual([
      '/home/pipelines/images',
      '/home/labels.csv',
    ]);
  });

  it('takes classes from a labels file', async () => {
    const labels = { file: 'labels.csv', image: 'file', label: 'kind' };
    const csv = 'file,kind\ndog/b.png,long\ncat/a.png,square\n';
    const { events } = await run(files({ 'labels.csv': csv }), { labels, classes: ['square', 'long'] });
    expect(events.at(-1)).toMatchObject({ values: { classes: ['square', 'long'], images: 2 } });
  });

  it('refuses, skips or enlarges small images', async () => {
    const small = files({ 'images/cat/small.png': [30, 7], 'images/cat/tiny.png': [1, 1] });
    await expect(run(small)).rejects.toMatchObject({ code: 'images-too-small' });
    await expect(run(small)).rejects.toThrow(
      '2 of 4 images are smaller than 8 by 8 pixels:\n  cat/small.png (30 by 7)\n  cat/tiny.png (1 by 1)',
    );
    const { events, out } = await run(small, { smallImages: 'skip' });
    expect(events.at(-1)).toMatchObject({ values: { images: 2, skipped: 2 } });
    expect(events.filter(({ type }) => type === 'notice')).toEqual([
      { type: 'notice', level: 'warning', message: 'Left out cat/small.png: it has 30 by 7 pixels.' },
      { type: 'notice', level: 'warning', message: 'Left out cat/tiny.png: it has 1 by 1 pixels.' },
    ]);
    expect(JSON.parse(await readFile(join(out, 'skipped.json'), 'utf8'))).toEqual([
      { path: 'cat/small.png', reason: 'it has 30 by 7 pixels' },
      { path: 'cat/tiny.png', reason: 'it has 1 by 1 pixels' },
    ]);
    const enlarged = await run(small, { smallImages: 'upscale' });
    expect(enlarged.events.at(-1)).toMatchObject({ values: { images: 4, skipped: 0 } });
    const dataset = await ImageDataset.open(enlarged.out, join(enlarged.home, 'images'));
    expect(await dataset.read(2)).toHaveLength(8 * 8 * 3);
  });

  it('names corrupt images, and skips as many as allowed', async () => {
    const corrupt = files({ 'images/cat/x.png': 'no image', 'images/dog/y.jpg': '' });
    await expect(run(corrupt, { maxCorrupt: 1 })).rejects.toMatchObject({ code: 'images-corrupt' });
    await expect(run(corrupt, { maxCorrupt: 1 })).rejects.toThrow(
      'images: 2 of 4 images cannot be read, where `maxCorrupt` allows 1:\n' +
        '  cat/x.png: expected an image, but its content is not PNG, JPEG, WebP, GIF, TIFF, AVIF, BMP or PPM\n  dog/y.jpg: ',
    );
    const { events } = await run(corrupt, { maxCorrupt: 2 });
    expect(events.at(-1)).toMatchObject({ values: { images: 2, skipped: 2, perClass: { cat: 1, dog: 1 } } });
  });

  it('stops early when hopeless, and refuses a class of which nothing is left', async () => {
    const many = Object.fromEntries(Array.from({ length: 150 }, (_, i) => [`images/cat/${i}.png`, 'x']));
    await expect(run(files(many))).rejects.toThrow(/100 of 10[01] images cannot be read/);
    const one = {
      'images/cat/a.png': true as const,
      'images/dog/b.png': 'x',
      'images/owl/c.png': true as const,
    };
    await expect(run(one, { maxCorrupt: 5 })).rejects.toThrow('1 of 3 classes have no usable image:\n  dog');
  });

  it('counts the files that it passes over by their endings', async () => {
    const others = {
      'images/cat/notes.txt': 'x',
      'images/cat/a.heic': 'x',
      'images/b.HEIC': 'x',
      'images/c': 'x',
    };
    const { events } = await run(files(others));
    expect(events[0]).toEqual({
      type: 'notice',
      level: 'warning',
      message:
        'Passed over 4 files, in no class folder or of no format that is read: 2 .heic, 1 without an ending, 1 .txt.',
    });
  });

  it('tells what files the images are', async () => {
    const home = await folderWith({});
    const pixels = JSON.parse(
      await readFile(new URL('../../fixtures/pixels/pixels.json', import.meta.url), 'utf8'),
    ) as Readonly<Record<string, { readonly file: string }>>;
    const place = async (folder: string, name: string, as = name) => {
      await mkdir(join(home, 'images', folder), { recursive: true });
      await writeFile(join(home, 'images', folder, as), Buffer.from(pixels[name]!.file, 'base64'));
    };
    for (const name of ['plain.jpg', 'cmyk.jpg', 'turned-1.jpg', 'turned-6.jpg', 'turned.tif', 'deep.png'])
      await place('a', name);
    for (const name of ['alpha.png', 'palette.png', 'moving.gif', 'grey.pgm', 'palette.bmp'])
      await place('b', name);
    await place('a', 'plain.jpg', 'again.jpg');
    await place('b', 'plain.jpg', 'other.jpg');
    await mkdir(join(home, 'out'));
    const events = await lastValueFrom(stage.run(defaults, context(home)).pipe(toArray()));
    expect(events.at(-1)).toMatchObject({
      values: {
        images: 13,
        files: {
          formats: { JPEG: 6, PNG: 3, TIFF: 1, BMP: 1, GIF: 1, PPM: 1 },
          colours: { RGB: 7, palette: 3, CMYK: 1, grey: 1, 'RGB, more than 8 bits': 1 },
          // Later frames of an animation are transparent where nothing moves.
          ...{ turned: 2, withAlpha: 2, several: 1, duplicates: 2, inOtherClasses: 1 },
          widths: [13, 19, 19, 19, 19],
        },
      },
    });
    const notices = events.flatMap((event) => (event.type === 'notice' ? [event] : []));
    expect(notices.map(({ message }) => message.split(':')[0])).toEqual([
      '2 images turned or mirrored by EXIF data',
      '2 duplicates, every byte that of an image before, 1 of them in another class.',
    ]);
  });

  it('stops when interrupted', async () => {
    const home = await folderWith(files());
    const controller = new AbortController();
    const running = lastValueFrom(stage.run(defaults, context(home, controller.signal)));
    controller.abort();
    await expect(running).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('says so when it cannot write', async () => {
    const home = await folderWith({ ...files(), out: 'a file in the way' });
    await expect(lastValueFrom(stage.run(defaults, context(home)))).rejects.toMatchObject({
      code: 'not-a-folder',
    });
  });
});
