import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { UserError } from '../../../../src/base/errors.js';
import { scanImages } from '../../../../src/data/images/scan.js';
import { walkFiles } from '../../../../src/runner/fingerprint/walk-files.js';
import { folderWith, removeFolders } from '../folders.js';

afterAll(removeFolders);

interface Choice {
  readonly image?: string;
  readonly label?: string;
  readonly classNames?: string;
  readonly classes?: string[];
  readonly path?: string;
}

const scan = (root: string, file: string, { classNames, classes, path = '', ...keys }: Choice = {}) =>
  scanImages({
    location: join(root, path),
    labels: { file: join(root, file), ...keys },
    classNames: classNames && join(root, classNames),
    ...(classes && { classes }),
  });

const ofFolders = (root: string, classNames?: string) =>
  scanImages({ location: root, labels: 'folders', classNames: classNames && join(root, classNames) });

async function problem(promise: Promise<unknown>) {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof UserError)) throw new Error('expected a UserError', { cause: error });
  return { code: error.code, message: error.message, remedy: error.remedy ?? '' };
}

/** Class by image. */
const labelled = ({ paths, labels, classes }: Awaited<ReturnType<typeof scanImages>>) =>
  Object.fromEntries(paths.map((path, i) => [path, classes[labels[i]!]]));

const images = { 'a.JPEG': 'x', 'b.JPEG': 'x', 'below/c.JPEG': 'x' };
const expected = { 'a.JPEG': 'cat', 'b.JPEG': 'dog', 'below/c.JPEG': 'cat' };
const utf16 = (text: string, mark = '\uFEFF') => Buffer.from(mark + text, 'utf16le');

describe('labels files', () => {
  it.each<[string, string, string | Buffer]>([
    ['comma, header', 'l.csv', 'file,label\na.JPEG,cat\nb.JPEG,dog\nbelow/c.JPEG,cat\n'],
    ['no header', 'l.csv', 'a.JPEG,cat\nb.JPEG,dog\nbelow/c.JPEG,cat\n'],
    ['class first', 'l.csv', 'cat,a.JPEG\ndog,b.JPEG\ncat,below/c.JPEG\n'],
    ['semicolons', 'l.csv', 'breed;id\r\ncat;a\r\ndog;b\r\ncat;c\r\n'],
    ['tabs', 'l.tsv', 'id\tlabel\na\tcat\nb\tdog\nc\tcat\n'],
    ['tabs in a text', 'l.txt', 'a.JPEG\tcat\nb.JPEG\tdog\nbelow/c.JPEG\tcat'],
    ['spaces', 'val.txt', 'a.JPEG cat\nb.JPEG dog\nbelow/c.JPEG cat\n'],
    ['ids', 'l.txt', 'a cat\nb dog\nc cat\n'],
    ['folders that are not there', 'l.txt', './val/a.JPEG cat\nval\\b.JPEG dog\nval/x/c.JPEG cat\n'],
    ['another ending', 'l.csv', 'a.jpg,cat\nb.png,dog\nbelow/c.jpeg,cat\n'],
    ['in order', 'truth.txt', 'cat\ndog\ncat\n'],
    ['more columns', 'l.csv', 'n,file_name,label,w\n1,a.JPEG,cat,5\n2,b.JPEG,dog,5\n3,c,cat,5\n'],
    ['EDM', 'dataset.json', '{"labels": [["a.JPEG", "cat"], ["b.JPEG", "dog"], ["below/c.JPEG", "cat"]]}'],
    ['pairs', 'l.json', '[["a", "cat"], ["b", "dog"], ["c", "cat"]]'],
    ['a map', 'l.json', '{"a.JPEG": "cat", "b.JPEG": "dog", "c": "cat"}'],
    ['a map of classes', 'l.json', '{"cat": ["a.JPEG", "c"], "dog": ["b.JPEG"]}'],
    ['a map of records', 'l.json', '{"a": {"label": "cat"}, "b": {"label": "dog"}, "c": {"label": "cat"}}'],
    [
      'records',
      'l.jsonl',
      '{"file_name":"a","label":"cat"}\n{"file_name":"b","label":"dog"}\n{"file_name":"c","label":"cat"}',
    ],
    ['UTF-8 with a mark', 'l.csv', '\uFEFFa.JPEG,cat\nb.JPEG,dog\nbelow/c.JPEG,cat\n'],
    ['UTF-16', 'l.csv', utf16('file,label\na.JPEG,cat\nb.JPEG,dog\nc,cat\n')],
    ['UTF-16 without a mark', 'l.csv', utf16('file,label\na.JPEG,cat\nb.JPEG,dog\nc,cat\n', '')],
    ['UTF-16, big end first', 'l.csv', utf16('file,label\na.JPEG,cat\nb.JPEG,dog\nc,cat\n').swap16()],
  ])('of the form: %s', async (_, file, content) => {
    const root = await folderWith(images);
    await writeFile(join(root, file), content);
    expect(labelled(await scan(root, file))).toEqual(expected);
  });

  it("are Kaggle's of ImageNet, named by its synsets", async () => {
    const root = await folderWith({
      'val/ILSVRC2012_val_00000001.JPEG': 'x',
      'val/ILSVRC2012_val_00000002.JPEG': 'x',
      'LOC_val_solution.csv':
        'ImageId,PredictionString\nILSVRC2012_val_00000002,n01440764 85 1 499 272 \nILSVRC2012_val_00000001,n03126707 131 0 499 254 n03126707 1 2 3 4 \n',
      'LOC_synset_mapping.txt':
        'n01440764 tench, Tinca tinca\nn02012849 crane\nn03126707 crane\nn01443537 goldfish, Carassius auratus\n',
    });
    const found = await scan(root, 'LOC_val_solution.csv', {
      path: 'val',
      classNames: 'LOC_synset_mapping.txt',
    });
    expect(found.classes).toEqual(['tench, Tinca tinca', 'crane (n03126707)']);
    expect([...found.labels]).toEqual([1, 0]);

    await writeFile(
      join(root, 'mixed.csv'),
      'ImageId,PredictionString\nILSVRC2012_val_00000001,n1 1 2 3 4 n2 1 2 3 4\n',
    );
    expect(await problem(scan(root, 'mixed.csv', { path: 'val' }))).toMatchObject({
      message: `${join(root, 'mixed.csv')}:2: expected boxes of one class, found n1, n2.`,
    });
  });

  it('of one label a line are in the order of the paths', async () => {
    const root = await folderWith({ 'a/1.png': 'x', 'a.x/2.png': 'x', 'l.txt': 'cat\ndog\n' });
    expect(labelled(await scan(root, 'l.txt'))).toEqual({ 'a.x/2.png': 'cat', 'a/1.png': 'dog' });
  });

  it('take columns by number where there is no header', async () => {
    const root = await folderWith({ ...images, 'l.csv': 'x,cat,a\ny,dog,b\nz,cat,c\n' });
    expect(labelled(await scan(root, 'l.csv', { image: '3', label: '2' }))).toEqual(expected);
    const { code, message } = await problem(scan(root, 'l.csv'));
    expect(code).toBe('labels-file-malformed');
    expect(message).toContain(`${join(root, 'l.csv')}:1: expected one column with classes`);
  });

  it('leave out images that they do not name, and say which', async () => {
    const root = await folderWith({ ...images, 'l.csv': 'a.JPEG,cat\nb.JPEG,dog\n' });
    expect((await scan(root, 'l.csv')).warnings).toEqual([
      '1 of 3 images are left out, as l.csv does not name them: below/c.JPEG.',
    ]);
  });

  it('are refused with what is on either side', async () => {
    const root = await folderWith({
      ...images,
      'below/a.JPEG': 'x',
      'l.csv': 'a,cat\nb,dog\nd,cat\n',
      'few.txt': '0\n1\n',
      'null.json': '{"labels": null}',
    });
    const { code, message, remedy } = await problem(scan(root, 'l.csv'));
    expect(code).toBe('labelled-images-missing');
    expect(message).toContain('1 of its 3 images are not in');
    expect(message.split('\n').slice(1)).toEqual(['  d']);
    expect(remedy).toContain(
      '2 of the 4 images there are not in the labels file: below/a.JPEG, below/c.JPEG.',
    );
    await writeFile(join(root, 'several.csv'), 'x/a.JPEG,cat\nb,dog\n');
    expect((await problem(scan(root, 'several.csv'))).message).toContain('x/a.JPEG (several images have');
    expect((await problem(scan(root, 'few.txt'))).message).toContain(
      'its 2 lines of one label each are not as many',
    );
    expect((await problem(scan(root, 'null.json'))).message).toContain('labels: none');
  });

  it('are refused at the line that is of another encoding', async () => {
    const root = await folderWith(images);
    await writeFile(join(root, 'l.csv'), Buffer.from('a.JPEG,cat\nb.JPEG,caf\u00e9\n', 'latin1'));
    expect(await problem(scan(root, 'l.csv'))).toMatchObject({
      code: 'text-encoding',
      message: `${join(root, 'l.csv')}:2: expected UTF-8 or UTF-16, found other bytes; as Latin-1 they read "b.JPEG,caf\u00e9".`,
    });
  });
});

describe('classes', () => {
  it('that are integers have the order of their values', async () => {
    const files = Object.fromEntries(['10', '2', '1', '0', '11'].map((name) => [`${name}/x.png`, 'x']));
    expect((await ofFolders(await folderWith(files))).classes).toEqual(['0', '1', '2', '10', '11']);
    const root = await folderWith({ ...images, 'l.csv': 'a,10\nb,9\nc,10\n' });
    expect((await scan(root, 'l.csv')).classes).toEqual(['9', '10']);
    expect((await ofFolders(await folderWith({ ...files, 'b/x.png': 'x' }))).classes).toEqual([
      ...['0', '1', '10', '11', '2', 'b'],
    ]);
  });

  it.each([
    ['lines', 'names.txt', 'cat\r\ndog\r\nowl\r\n'],
    ['numbered lines', 'names.txt', '0 cat\n1 dog\n2 owl\n'],
    ['an array', 'names.json', '["cat", "dog", "owl"]'],
    ['lines of ids', 'names.txt', 'n01440764 cat\nn01443537 dog\nn01484850 owl\n'],
    ['a map', 'names.json', '{"0": "cat", "1": "dog", "2": "owl"}'],
  ])('are named by number: %s', async (_, file, content) => {
    const root = await folderWith({ '0/x.png': 'x', '1/x.png': 'x', '2/x.png': 'x', [file]: content });
    expect((await ofFolders(root, file)).classes).toEqual(['cat', 'dog', 'owl']);
  });

  it('are named by id, in the order of the ids', async () => {
    const root = await folderWith({
      'n02/x.png': 'x',
      'n01/x.png': 'x',
      'imagenet_class_index.json': '{"0": ["n02", "alpha"], "1": ["n01", "zebra"], "2": ["n03", "none"]}',
      'short.json': '{"n01": "zebra"}',
      'twice.txt': 'cat\ncat\n',
    });
    expect((await ofFolders(root, 'imagenet_class_index.json')).classes).toEqual(['zebra', 'alpha']);
    expect(await problem(ofFolders(root, 'short.json'))).toMatchObject({
      code: 'class-names-unmatched',
      message: `${join(root, 'short.json')}: 1 of 2 classes have no name there:\n  n02`,
    });
    expect(await problem(ofFolders(root, 'twice.txt'))).toMatchObject({ code: 'classes-file-malformed' });
  });

  it('are the same in composed and decomposed letters', async () => {
    const [composed, decomposed] = ['caf\u00e9', 'cafe\u0301'];
    const root = await folderWith({
      [`${decomposed}/x.png`]: 'x',
      [`${composed}/y.png`]: 'x',
      'dog/z.png': 'x',
      'l.csv': `${composed}/x.png,${composed}\n${decomposed}/y.png,${decomposed}\nz,dog\n`,
    });
    const folders = await ofFolders(root);
    expect(folders.classes).toEqual([composed, 'dog']);
    expect([...folders.labels].sort()).toEqual([0, 0, 1]);
    // By the path where it is one image's alone: both folders are of one name.
    expect((await scan(root, 'l.csv', { classes: [decomposed, 'dog'] })).classes).toEqual([composed, 'dog']);
  });

  it('of folders whose names are not UTF-8 are refused, as they cannot be opened', async () => {
    const root = await folderWith({ 'dog/x.png': 'x' });
    await mkdir(Buffer.concat([Buffer.from(`${root}/`), Buffer.from('caf\u00e9', 'latin1')]));
    const wanted = {
      code: 'file-name-not-utf8',
      message: `${root}: 1 of 2 names there are not UTF-8; as Latin-1 they read caf\u00e9.`,
    };
    expect(await problem(ofFolders(root))).toMatchObject(wanted);
    const read = async (): Promise<void> => {
      for await (const _ of walkFiles(root)) expect(_).toBeDefined();
    };
    expect(await problem(read())).toMatchObject(wanted);
  });
});
