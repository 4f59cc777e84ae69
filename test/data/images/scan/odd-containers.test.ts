import { createWriteStream } from 'node:fs';
import { copyFile, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { gzipSync } from 'node:zlib';
import { execa } from 'execa';
import { afterAll, describe, expect, it } from 'vitest';
import { ZipFile } from 'yazl';
import { scanImages } from '../../../../src/data/images/scan.js';
import { folderWith, removeFolders } from '../folders.js';

const fixtures = join(import.meta.dirname, '../../../fixtures/images');

afterAll(removeFolders);

const scan = async (root: string, path: string, labels: 'folders' | 'none' = 'folders') => {
  const found = await scanImages({ location: join(root, path), labels });
  return { ...found, labels: [...found.labels] };
};

describe('a tar file tells what may be amiss in it', () => {
  const tarOf = async (files: Parameters<typeof folderWith>[0], order = Object.keys(files)) => {
    const root = await folderWith(files);
    await execa('tar', ['--blocking-factor=1', '-cf', 'x.tar', ...order], { cwd: root });
    return root;
  };

  it('and nothing where nothing is', async () => {
    const root = await tarOf({ '0.png': true, '0.cls': '3', '1.png': true, '1.cls': '4' });
    expect((await scan(root, 'x.tar')).warnings).toBeUndefined();
  });

  it('several images of a sample, such as its mask', async () => {
    const root = await tarOf({ '0.png': true, '0.seg.png': true, '0.cls': '3', '1.png': true, '1.cls': '4' });
    const { paths, warnings } = await scan(root, 'x.tar');
    expect(paths).toHaveLength(3);
    expect(warnings).toEqual([
      'Samples of several images, each of which counts as an image: 1, such as x.tar/0.png and 0.seg.png.',
    ]);
  });

  it('labels that lie apart from their images, whose folder would pass for the class', async () => {
    const root = await tarOf({ 'd/0.png': true, 'd/1.png': true, 'd/0.cls': '3', 'd/1.cls': '4' });
    const { classes, warnings } = await scan(root, 'x.tar');
    expect(classes).toEqual(['d']);
    expect(warnings).toEqual([
      'Labels without an image of their name next to them: 2, such as x.tar/d/0, x.tar/d/1.',
    ]);
  });

  it('a cut between two members, after which no mark of its end comes', async () => {
    const root = await tarOf({ 'a/0.png': true, 'b/1.png': true, 'b/2.png': true });
    const whole = (await readFile(join(root, 'x.tar'))).length;
    await truncate(join(root, 'x.tar'), whole - 1024);
    expect((await scan(root, 'x.tar')).warnings).toEqual([
      'Archives without the mark of their end, which may be cut off: 1, such as x.tar.',
    ]);
  });

  it('a name that was appended again', async () => {
    const root = await tarOf({ 'a/0.png': true, 'b/1.png': true }, ['a/0.png', 'b/1.png', 'a/0.png']);
    // GNU tar stores a second time what is named twice as a link to the first.
    await execa('tar', ['--blocking-factor=1', '-rf', 'x.tar', 'b/1.png'], { cwd: root });
    const { warnings } = await scan(root, 'x.tar');
    expect(warnings).toHaveLength(1);
    expect(warnings![0]).toContain('Images that have the name of another in the same file');
    expect(warnings![0]).toContain('x.tar/b/1.png');
  });
});

describe("EDM's sets", () => {
  const edm = async (labels: unknown, folder = '') => {
    const files = Object.fromEntries([0, 1, 2].map((i) => [`0000${i}/img${i}.png`, true as const]));
    const root = await folderWith({ ...files, 'dataset.json': JSON.stringify({ labels }) });
    const zip = new ZipFile();
    for (const name of [...Object.keys(files), 'dataset.json']) zip.addFile(join(root, name), folder + name);
    zip.end();
    await pipeline(zip.outputStream, createWriteStream(join(root, 'x.zip')));
    return root;
  };
  const pairs = [0, 1, 2].map((i) => [`0000${i}/img${i}.png`, i % 2]);

  it.each(['', 'imagenet/'])('have their labels in dataset.json, below "%s"', async (folder) => {
    expect(await scan(await edm(pairs, folder), 'x.zip')).toMatchObject({
      classes: ['0', '1'],
      labels: [0, 1, 0],
    });
  });

  it('without labels have no classes, though they have folders', async () => {
    const root = await edm(null);
    await expect(scan(root, 'x.zip')).rejects.toMatchObject({ code: 'images-not-in-class-folders' });
    expect((await scan(root, 'x.zip', 'none')).classes).toEqual(['all']);
  });

  it('are refused where an image has two labels', async () => {
    const root = await edm([...pairs, ['00000/img0.png', 1]]);
    await expect(scan(root, 'x.zip')).rejects.toThrow('the image 00000/img0.png in the classes 0 and 1');
  });

  it('that are unpacked need their labels named: their folders are no classes', async () => {
    const root = await edm(pairs);
    const error: unknown = await scan(root, '.').catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'images-not-in-class-folders' });
    expect((error as { remedy: string }).remedy).toContain(join(root, 'dataset.json'));
    const named = await scanImages({ location: root, labels: { file: join(root, 'dataset.json') } });
    expect([...named.labels]).toEqual([0, 1, 0]);
  });
});

describe('parquet files', () => {
  const holding = async (...names: readonly string[]) => {
    const root = await folderWith({});
    for (const name of names) await copyFile(join(fixtures, name), join(root, name));
    return root;
  };

  it('with several labels an image give no classes', async () => {
    const root = await holding('labels-several.parquet');
    await expect(scan(root, '*.parquet')).rejects.toThrow('row 1 has 2 labels, where one class is expected');
    expect((await scan(root, '*.parquet', 'none')).labels).toEqual([0, 0, 0]);
  });

  it('of which only some name their classes lose no images', async () => {
    const root = await holding('labels-named-0.parquet', 'labels-named-1.parquet');
    await expect(scan(root, '*.parquet')).rejects.toMatchObject({ code: 'container-invalid' });
    expect((await scan(root, '*.parquet', 'none')).paths).toHaveLength(6);
  });
});

describe('IDX files', () => {
  it('that lie there packed and unpacked count once', async () => {
    const root = await folderWith({});
    for (const name of ['train-images-idx3-ubyte', 'train-labels-idx1-ubyte']) {
      const content = await readFile(join(fixtures, name));
      await writeFile(join(root, name), content);
      await writeFile(join(root, `${name}.gz`), gzipSync(content));
    }
    expect((await scan(root, '.')).paths).toHaveLength(12);
    expect((await scan(root, '*.gz')).paths).toHaveLength(12);
  });
});
