import { createWriteStream } from 'node:fs';
import { copyFile, link, readFile, truncate, writeFile } from 'node:fs/promises';
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

  /** Two images and what tells their classes. */
  const samples = (labels: Record<string, string>, images = ['0.png', '1.png']) => ({
    ...Object.fromEntries(images.map((name) => [name, true as const])),
    ...labels,
  });

  /** The same as a tar file, each image next to its labels. */
  const tarOfSamples = (labels: Record<string, string>) => {
    const files = samples(labels);
    return tarOf(files, Object.keys(files).sort());
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

  it.each([
    ['their .cls', { '0.cls': '3', '0.json': '{"label":"cat"}', '1.cls': '4', '1.json': '{"label":"dog"}' }],
    ['a key', { '0.json': '{"cls":3,"class":"cat"}', '1.json': '{"cls":3,"class":"cat"}' }],
  ])('nothing of labels that go together with those of %s', async (_, labels) => {
    const root = await tarOfSamples(labels);
    expect((await scan(root, 'x.tar')).warnings).toBeUndefined();
  });

  it('labels that do not go together', async () => {
    const labels = { '0.json': '{"cls":0,"label":"cat"}', '1.json': '{"cls":1,"label":"cat"}' };
    const root = await tarOfSamples(labels);
    const { classes, warnings } = await scan(root, 'x.tar');
    expect(classes).toEqual(['0', '1']);
    expect(warnings).toEqual([
      'Samples of several labels that do not always go together: `cls` of .json, `label` of .json, of which the first counts: 1, such as x.tar/1.',
    ]);
    expect((await scan(root, 'x.tar', 'none')).warnings).toBeUndefined();
  });

  it('classes that are told in two places', async () => {
    const root = await tarOfSamples({ '0.cls': '3', '1.json': '{"label":4}' });
    expect((await scan(root, 'x.tar')).warnings).toEqual([
      'Samples whose class `label` of .json tells, where that of others is in .cls: 1, such as x.tar/1.',
    ]);
  });

  it.each([
    ['[3]', 'Labels in .json that are neither a number nor a text, and do not count'],
    ['3}', 'Files .json that are not valid JSON'],
  ])('a label %s, which cannot count', async (label, warning) => {
    const root = await tarOfSamples({ '0.cls': '3', '0.json': `{"label":${label}}`, '1.cls': '4' });
    expect((await scan(root, 'x.tar')).warnings).toEqual([`${warning}: 1, such as x.tar/0.`]);
  });

  it('hard links, each of which has its own label, and those that lead nowhere', async () => {
    const root = await folderWith(samples({ '0.cls': '3', '1.cls': '4' }, ['0.png']));
    for (const name of ['1.png', '2.png']) await link(join(root, '0.png'), join(root, name));
    const members = ['0.png', '0.cls', '1.png', '1.cls'];
    await execa('tar', ['--blocking-factor=1', '-cf', 'x.tar', ...members], { cwd: root });
    const { paths, classes, labels, warnings } = await scan(root, 'x.tar');
    expect([paths, classes, labels]).toEqual([
      ['x.tar/0.png', 'x.tar/1.png'],
      ['3', '4'],
      [0, 1],
    ]);
    expect(warnings).toBeUndefined();
  });

  it('hard links that lead to nothing in it', async () => {
    const root = await folderWith(samples({ '1.cls': '4' }));
    await link(join(root, '0.png'), join(root, '2.png'));
    const members = ['0.png', '1.png', '1.cls', '2.png'];
    await execa('tar', ['--blocking-factor=1', '-cf', 'x.tar', ...members], { cwd: root });
    await execa('tar', ['--delete', '-f', 'x.tar', '0.png'], { cwd: root });
    const { paths, warnings } = await scan(root, 'x.tar');
    expect(paths).toEqual(['x.tar/1.png']);
    expect(warnings).toContain('Links to images that are not in the file: 1, such as x.tar/2.png.');
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

  it.each([[null], [[]]])('without labels (%j) have no classes, though they have folders', async (none) => {
    const root = await edm(none);
    await expect(scan(root, 'x.zip')).rejects.toMatchObject({ code: 'images-not-in-class-folders' });
    expect((await scan(root, 'x.zip', 'none')).classes).toEqual(['all']);
  });

  it('are refused where an image has two labels', async () => {
    const root = await edm([...pairs, ['00000/img0.png', 1]]);
    await expect(scan(root, 'x.zip')).rejects.toThrow('the image 00000/img0.png in the classes 0 and 1');
  });

  it('tell labels of images that are not there, and are refused where none is', async () => {
    const root = await edm([...pairs, ['00003/img3.png', 1]]);
    expect((await scan(root, 'x.zip')).warnings).toEqual([
      'Labels of images that are not in the file: 1, such as x.zip/00003/img3.png.',
    ]);
    const others = await edm(pairs.map(([name, label]) => [`train/${name!}`, label]));
    await expect(scan(others, 'x.zip')).rejects.toThrow(
      'none of the 3 images that its dataset.json names is in it, such as train/00000/img0.png; 00000/img0.png is',
    );
    expect((await scan(others, 'x.zip', 'none')).paths).toHaveLength(3);
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

  it('with several columns that may be the class give none', async () => {
    const root = await holding('labels-two-columns.parquet');
    await expect(scan(root, '*.parquet')).rejects.toThrow('several columns of classes: labels, class.');
  });

  it('of which only some name their classes lose no images', async () => {
    const root = await holding('labels-named-0.parquet', 'labels-named-1.parquet');
    await expect(scan(root, '*.parquet')).rejects.toMatchObject({ code: 'container-invalid' });
    expect((await scan(root, '*.parquet', 'none')).paths).toHaveLength(6);
  });
});

describe('files of one set', () => {
  const zipOf = async (root: string, name: string, files: Record<string, true | string>) => {
    const from = await folderWith(files);
    const zip = new ZipFile();
    for (const each of Object.keys(files)) zip.addFile(join(from, each), each);
    zip.end();
    await pipeline(zip.outputStream, createWriteStream(join(root, name)));
  };

  it('are refused where labels are numbers in some and texts in others, of every form', async () => {
    const code = 'labels-of-two-types';
    const root = await folderWith({});
    for (const name of ['labels-numbers', 'labels-texts'])
      await copyFile(join(fixtures, `${name}.parquet`), join(root, `${name}.parquet`));
    await expect(scan(root, '*.parquet')).rejects.toMatchObject({ code });
    await expect(scan(root, '*.parquet')).rejects.toThrow(
      'some labels are numbers (labels-numbers.parquet), others texts (labels-texts.parquet)',
    );
    expect((await scan(root, '*.parquet', 'none')).paths).toHaveLength(6);
    for (const [name, label] of [
      ['a', 1],
      ['b', 'cat'],
    ] as const) {
      const labels = JSON.stringify({ labels: [['0.png', label]] });
      await zipOf(root, `${name}.zip`, { '0.png': true, 'dataset.json': labels });
      const from = await folderWith({ '0.png': true, '0.json': JSON.stringify({ label }) });
      await execa('tar', ['-cf', join(root, `${name}.tar`), '0.json', '0.png'], { cwd: from });
    }
    await expect(scan(root, '*.zip')).rejects.toMatchObject({ code });
    await expect(scan(root, '*.tar')).rejects.toMatchObject({ code });
  });

  it('tell where their names count as classes and look like those of parts', async () => {
    const root = await folderWith({});
    for (const name of ['part1', 'part2', 'cats', 'n02']) await zipOf(root, `${name}.zip`, { '0.png': true });
    const { classes, warnings } = await scan(root, 'part*.zip');
    expect(classes).toEqual(['part1', 'part2']);
    expect(warnings![0]).toContain(
      'Each file counts as a class of its name, part1, part2: if they are parts',
    );
    expect((await scan(root, 'part*.zip', 'none')).warnings).toBeUndefined();
    expect((await scan(root, '{cats,n02}.zip')).warnings).toBeUndefined();
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
