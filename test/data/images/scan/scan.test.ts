import { createWriteStream } from 'node:fs';
import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { execa } from 'execa';
import { afterAll, describe, expect, it } from 'vitest';
import { ZipFile } from 'yazl';
import { UserError } from '../../../../src/base/errors.js';
import type { LabelsFile } from '../../../../src/data/images/label-records.js';
import { scanImages } from '../../../../src/data/images/scan.js';
import { folderWith, removeFolders } from '../folders.js';

afterAll(removeFolders);

const scan = async (
  root: string,
  labels: 'folders' | 'none' | (Omit<LabelsFile, 'file'> & { file?: string }) = 'folders',
  classes?: string[],
) => {
  const { base, ...found } = await scanImages({
    location: root,
    labels: typeof labels === 'string' ? labels : { ...labels, file: join(root, labels.file ?? 'labels') },
    ...(classes && { classes }),
  });
  expect(base).toBe(root);
  return { ...found, labels: [...found.labels] };
};

async function problem(
  promise: Promise<unknown>,
): Promise<{ code: string; message: string; remedy?: string }> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof UserError)) throw new Error('expected a UserError', { cause: error });
  return error as UserError & { remedy: string };
}

describe('class folders', () => {
  it('are found at any depth, sorted, hidden and other files passed over', async () => {
    const root = await folderWith({
      'dog/b.JPG': 'x',
      'dog/a.webp': 'x',
      'cat/deep/er/c.gif': 'x',
      'cat/Z.png': 'x',
      'cat/notes.txt': 'x',
      'cat/.hidden.png': 'x',
      '.git/d.png': 'x',
      'loose.png': 'x',
    });
    expect(await scan(root)).toEqual({
      classes: ['cat', 'dog'],
      paths: ['cat/Z.png', 'cat/deep/er/c.gif', 'dog/a.webp', 'dog/b.JPG'],
      labels: [0, 0, 1, 1],
      passedOver: new Map([
        ['.txt', 1],
        ['.png', 1],
      ]),
    });
  });

  it('may be links, in circles too', async () => {
    const real = await folderWith({ 'a.png': 'x' });
    const root = await folderWith({ 'cat/b.png': 'x' });
    await symlink(real, join(root, 'linked'));
    await symlink(root, join(real, 'back'));
    await symlink(join(root, 'cat', 'b.png'), join(root, 'cat', 'c.png'));
    const { paths } = await scan(root);
    expect(paths).toEqual(['cat/b.png', 'cat/c.png', 'linked/a.png']);
  });

  it('are selected and ordered by name', async () => {
    const root = await folderWith({ 'a/1.png': 'x', 'b/1.png': 'x', 'c/1.png': 'x', 'd/readme': 'x' });
    expect(await scan(root, 'folders', ['c', 'a'])).toMatchObject({
      classes: ['c', 'a'],
      paths: ['a/1.png', 'c/1.png'],
      labels: [1, 0],
    });
  });

  it.each([
    ['images-folder-empty', {}, 'ROOT: expected folders of images, but the folder is empty.'],
    [
      'images-none-found',
      { 'a/x.txt': 'x' },
      'ROOT: expected images (PNG, JPEG, WebP, GIF, TIFF, AVIF, BMP or PPM) in folders, found none.',
    ],
    [
      'images-not-in-class-folders',
      { 'x.png': 'x', 'y.png': 'x' },
      'ROOT: expected one folder a class, found 2 images and no folder.',
    ],
    [
      'class-without-images',
      { 'a/x.png': 'x', 'b/x.txt': 'x', 'c/x.md': 'x' },
      'ROOT: 2 of 3 classes have no usable image:\n  b\n  c',
    ],
    [
      'one-class-only',
      { 'train/cat/x.png': 'x', 'train/dog/x.png': 'x' },
      'ROOT: expected at least two folders of images, found only "train", in which 2 folders hold images:\n  cat\n  dog',
    ],
  ])('refuses %s', async (code, files, message) => {
    const root = await folderWith(files);
    const error = await problem(scan(root));
    expect(error).toMatchObject({ code, message: message.replace('ROOT', root) });
    expect(error.remedy).toBeTruthy();
  });

  it('may be one alone, where no folders of images lie in it', async () => {
    const root = await folderWith({ 'cat/x.png': 'x', 'cat/y.png': 'x' });
    expect(await scan(root)).toMatchObject({ classes: ['cat'], labels: [0, 0] });
    const deeper = await folderWith({ 'cat/2023/x.png': 'x', 'cat/2024/y.png': 'x' });
    expect((await problem(scan(deeper))).remedy).toContain(`${join(deeper, 'cat')}. If`);
    expect(await scan(deeper, 'folders', ['cat'])).toMatchObject({ classes: ['cat'], labels: [0, 0] });
  });

  it('are none where there are no labels: every image counts, but for hidden ones', async () => {
    const root = await folderWith({
      'a.png': 'x',
      'b/c.jpg': 'x',
      'b/d/e.webp': 'x',
      'b/.f.png': 'x',
      'notes.txt': 'x',
      '.git/g.png': 'x',
    });
    const found = { classes: ['all'], labels: [0, 0, 0], passedOver: new Map([['.txt', 1]]) };
    expect(await scan(root, 'none')).toEqual({ ...found, paths: ['a.png', 'b/c.jpg', 'b/d/e.webp'] });
    expect((await problem(scan(root))).remedy).toContain('labels: none');
    expect(await scan(join(root, 'b'), 'none').catch(() => 'x')).toMatchObject({ classes: ['all'] });
  });

  it('refuses a missing folder, a file, and unknown classes', async () => {
    const root = await folderWith({ 'cat/x.png': 'x', 'dog/x.png': 'x' });
    expect(await problem(scan(join(root, 'absent')))).toMatchObject({ code: 'images-folder-missing' });
    expect(await problem(scan(join(root, 'cat/x.png')))).toMatchObject({ code: 'images-folder-is-a-file' });
    expect(await problem(scan(root, 'folders', ['cat', 'dgo', 'elephant']))).toMatchObject({
      code: 'class-unknown',
      message: `${root}: 2 of the classes listed in \`classes\` do not exist:\n  dgo (did you mean "dog"?)\n  elephant`,
      remedy: 'Correct `classes`. The classes there: cat, dog.',
    });
  });
});

describe('what systems leave behind', () => {
  const litter = {
    '._cat/a.png': 'x',
    'cat/._a.png': 'x',
    'cat/.DS_Store': 'x',
    '__MACOSX/cat/b.png': 'x',
    '@eaDir/cat/thumb.jpg': 'x',
    'cat/@eaDir/a.png/SYNOPHOTO_THUMB_M.jpg': 'x',
    '$RECYCLE.BIN/c.png': 'x',
    '$Recycle.Bin/c.png': 'x',
    'cat/Thumbs.db': 'x',
    'cat/thumbs.db': 'x',
    'lost+found/d.png': 'x',
    '@Recycle/e.png': 'x',
  };
  const images = {
    'cat/a.png': 'x',
    'dog/b.PNG': 'x',
    'cat/c.heic': 'x',
    'cat/d.HEIC': 'x',
    'dog/e.txt': 'x',
  };
  const expected = {
    classes: ['cat', 'dog'],
    labels: [0, 1],
    passedOver: new Map([
      ['.heic', 2],
      ['.txt', 1],
    ]),
  };

  it('is no class and no image of a folder, and neither is a named pipe', async () => {
    const root = await folderWith({ ...images, ...litter });
    await execa(
      'mkfifo',
      ['pipe', 'pipe.png', 'cat/pipe.png', 'pipes'].map((name) => join(root, name)),
    );
    expect(await scan(root)).toEqual({ ...expected, paths: ['cat/a.png', 'dog/b.PNG'] });
  });

  it.each([
    [
      'tar',
      (root: string) =>
        execa('tar', ['--sort=name', '--exclude=./x.tar', '-cf', 'x.tar', '.'], { cwd: root }),
    ],
    ['zip', (root: string) => zipped(root, Object.keys({ ...images, ...litter }))],
  ])('is no class and no image of a %s file', async (form, pack) => {
    const root = await folderWith({ ...images, ...litter });
    await pack(root);
    const { base, ...found } = await scanImages({ location: join(root, `x.${form}`), labels: 'folders' });
    expect(base).toBe(root);
    expect({ ...found, labels: [...found.labels] }).toMatchObject(expected);
    expect(found.paths).toEqual([`x.${form}/cat/a.png`, `x.${form}/dog/b.PNG`]);
  });

  async function zipped(root: string, names: readonly string[]): Promise<void> {
    const zip = new ZipFile();
    for (const name of names) zip.addFile(join(root, name), name);
    zip.end();
    await pipeline(zip.outputStream, createWriteStream(join(root, 'x.zip')));
  }
});

describe('a labels file', () => {
  const images = { 'a.png': 'x', 'sub/b.png': 'x', 'c.png': 'x' };
  const keys = { image: 'file', label: 'kind' };
  const expected = { classes: ['cat', 'dog'], paths: ['a.png', 'c.png', 'sub/b.png'], labels: [0, 0, 1] };

  it.each([
    ['labels.csv', '\uFEFFfile,kind\na.png,cat\n"sub/b.png","dog"\n\n./c.png,cat\n'],
    [
      'labels.jsonl',
      '{"file":"a.png","kind":"cat"}\n\n{"file":"sub/b.png","kind":"dog"}\n{"file":"c.png","kind":"cat"}',
    ],
    [
      'labels.json',
      '[{"file":"a.png","kind":"cat"},{"file":"sub/b.png","kind":"dog"},{"file":"c.png","kind":"cat"}]',
    ],
  ])('%s', async (file, content) => {
    const root = await folderWith({ ...images, [file]: content });
    expect(await scan(root, { ...keys, file })).toMatchObject(expected);
  });

  it('may give several images a record', async () => {
    const records = [
      { image: 'a.png', about: { kind: 1 }, variants: { dark: { image: 'c.png' }, none: {} } },
      { image: 'sub/b.png', about: { kind: 2 }, 'variants.*.image': 'sub/b.png' },
    ];
    const root = await folderWith({ ...images, 'l.json': JSON.stringify(records) });
    const labels = { file: 'l.json', image: ['image', 'variants.*.image'], label: 'about.kind' };
    expect(await scan(root, labels)).toMatchObject({ ...expected, classes: ['1', '2'] });
  });

  const record = (file: string, kind?: string) => JSON.stringify({ file, kind });
  it.each([
    ['l.csv', 'file,kind\na.png,cat\nb.png\n', ':3: not valid CSV: Invalid Record Length'],
    [
      'l.csv',
      'path,kind\na.png,cat\n',
      ':2: expected an image under "file"; the record\'s keys are path, kind',
    ],
    ['l.csv', 'file,kind\na.png,\n', ':2: expected the name of a class under "kind", found ""'],
    ['l.json', '[\n{"file":\n}]', ':3: not valid JSON'],
    ['l.json', '{}', ': it names no image'],
    [
      'l.json',
      `[${record('a.png', 'cat')},${record('c.png')}]`,
      ': record 2: expected the name of a class under "kind", found nothing',
    ],
    ['l.json', '[]', ': it names no image'],
    ['l.jsonl', `${record('a.png', 'cat')}\n{]`, ':2: not valid JSON'],
    ['l.jsonl', record('../a.png', 'cat'), ':1: the image ../a.png is not below the folder of the images'],
    [
      'l.jsonl',
      `${record('a.png', 'cat')}\n${record('./a.png', 'dog')}`,
      ':2: the image a.png is of class "dog" here, and of class "cat" at ',
    ],
  ])('is refused when malformed: %s %j', async (file, content, message) => {
    const root = await folderWith({ ...images, [file]: content });
    const error = await problem(scan(root, { ...keys, file }));
    expect(error.code).toBe('labels-file-malformed');
    expect(error.message).toContain(join(root, file) + message);
  });

  it('is refused when images are missing, or when it is', async () => {
    const lines = Array.from({ length: 23 }, (_, i) => record(`no${String(i).padStart(2, '0')}.png`, 'cat'));
    const root = await folderWith({
      ...images,
      'l.jsonl': [record('a.png', 'dog'), ...lines].join('\n'),
      'l.xml': '',
    });
    const { code, message } = await problem(scan(root, { ...keys, file: 'l.jsonl' }));
    expect(code).toBe('labelled-images-missing');
    expect(message.split('\n').slice(0, 2)).toEqual([
      `${join(root, 'l.jsonl')}: 23 of its 24 images are not in ${root}:`,
      '  no00.png',
    ]);
    expect(message.split('\n').slice(-2)).toEqual(['  no19.png', '  and 3 more']);
    expect(await problem(scan(root, { ...keys, file: 'absent.csv' }))).toMatchObject({
      code: 'labels-file-missing',
    });
    expect(await problem(scan(root, { ...keys, file: 'l.xml' }))).toMatchObject({ code: 'labels-file-kind' });
    await mkdir(join(root, 'd.csv'));
    expect(await problem(scan(root, { ...keys, file: 'd.csv' }))).toMatchObject({ code: 'not-a-file' });
  });
});
