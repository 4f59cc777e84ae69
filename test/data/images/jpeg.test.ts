import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sha256Of } from '../../../src/base/input-file.js';
import { centreCrop, randomCrop, withJpeg } from '../../../src/data/images/crop.js';
import { decodeBytes } from '../../../src/data/images/decode.js';
import { isJpegName } from '../../../src/data/images/formats.js';
import { decodeJpeg } from '../../../src/tensorflow/decode-jpeg.js';
import { eagerContext } from '../../../src/tensorflow/eager-binding.js';
import { startEngine } from '../../../src/tensorflow/engine.js';

/** JPEG files of many kinds, and the bytes that Pillow's `convert('RGB')` gives. */
const files = Object.entries(
  JSON.parse(readFileSync(new URL('../../fixtures/pixels/pixels.json', import.meta.url), 'utf8')) as Readonly<
    Record<string, { readonly file: string; readonly rgb: string }>
  >,
)
  .filter(([name]) => isJpegName(name))
  .map(([name, { file, rgb }]) => [name, Buffer.from(file, 'base64'), Buffer.from(rgb, 'base64')] as const);
/** JPEG files of which a square needs only some columns, with colours of all resolutions. */
const wideFiles = Object.entries(
  JSON.parse(readFileSync(new URL('../../fixtures/pixels/wide.json', import.meta.url), 'utf8')) as Readonly<
    Record<string, string>
  >,
).map(([name, file]) => [name, Buffer.from(file, 'base64')] as const);
const fileNamed = (wanted: string) => files.find(([name]) => name === wanted)![1];
const hasFourColours = (name: string) => name.startsWith('cmyk') || name.startsWith('ycck');

const rules = { background: '#ffffff' };
const part = { size: 8 };
const decoded = (file: Buffer) => decodeJpeg(eagerContext()!, file, (bytes) => Buffer.alloc(bytes));
const copied = (bytes: Uint8Array) => bytes.slice();

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'jpeg-'));
  for (const [name, file] of files) await writeFile(join(folder, name), file);
});
afterAll(() => rm(folder, { recursive: true }));

it('leaves JPEG files to libvips while TensorFlow is not at work', async () => {
  expect(eagerContext()).toBeUndefined();
  expect(await withJpeg(fileNamed('plain.jpg'), part, copied)).toBeUndefined();
});

describe('JPEG files that TensorFlow decodes', () => {
  beforeAll(async () => {
    await startEngine({ device: 'cpu' });
  });

  it.each(files)('have the pixels of Pillow: %s', (name, file, rgb) => {
    if (!hasFourColours(name)) expect(decoded(file)!.data).toEqual(rgb);
  });

  it.each(files)(
    'give the crop of whole images, read by path or not, but for four colours: %s',
    async (name, file) => {
      const expected = centreCrop(await decodeBytes(file, name, rules), part.size);
      for (const place of [join(folder, name), file]) {
        const found = await withJpeg(place, part, copied);
        if (hasFourColours(name)) expect(found).toBeUndefined();
        else expect(found!.value).toEqual(expected);
      }
    },
  );

  it.each(wideFiles)(
    'give the crop of whole images where only some columns are decoded: %s',
    async (name, file) => {
      const whole = await decodeBytes(file, name, rules);
      for (const size of [21, 24, 32, 40, 48])
        for (const numbers of [
          undefined,
          [0, 0, 0],
          [0, 0, 0.4],
          [0.5, 0.7, 0.66],
          [0.9, 0.2, 0.999],
        ] as const) {
          const found = await withJpeg(file, { size, numbers }, copied);
          const expected = numbers ? randomCrop(whole, size, numbers) : centreCrop(whole, size);
          expect(found!.value, `${size} pixels, ${String(numbers)}`).toEqual(expected);
        }
    },
  );

  it('are decoded in columns as in whole, but for colours at the edges', () => {
    const [, file] = wideFiles[0]!;
    const whole = decoded(file)!;
    const columns = { left: 32, width: 50, height: 40, wholeWidth: 257 };
    const some = decodeJpeg(eagerContext()!, file, (bytes) => Buffer.alloc(bytes), columns)!;
    expect([some.width, some.height]).toEqual([50, 40]);
    for (let y = 0; y < 40; y++) {
      const from = (y * whole.width + 32) * 3;
      expect(Buffer.from(some.data.subarray(y * 150, (y + 1) * 150))).toEqual(
        Buffer.from(whole.data.subarray(from, from + 150)),
      );
    }
  });

  it('are whole, there and what was fingerprinted; others are left to libvips', async () => {
    const file = fileNamed('plain.jpg');
    const path = join(folder, 'plain.jpg');
    const take = (place: Uint8Array | string, hash?: string) => withJpeg(place, { ...part, hash }, copied);
    expect(await take(file.subarray(0, file.length / 2))).toBeUndefined();
    expect(await take(Buffer.from('no image'))).toBeUndefined();
    expect(await take(join(folder, 'missing.jpg'))).toBeUndefined();
    expect(await take(folder)).toBeUndefined();
    expect(await take(path, sha256Of(Buffer.from('other')))).toBeUndefined();
    expect(await take(path, sha256Of(file))).toBeDefined();
  });

  it('have the pixels that libvips gives them where they are damaged', async () => {
    const file = fileNamed('plain.jpg');
    const start = file.indexOf(Buffer.from([0xff, 0xda])) + 14;
    let both = 0;
    for (let at = start; at < file.length - 2; at += 5) {
      const damaged = Buffer.from(file);
      damaged[at]! ^= 0x5a;
      const other = await decodeBytes(damaged, 'damaged', rules).catch(() => undefined);
      const own = decoded(damaged);
      if (other === undefined || own === undefined) continue;
      both++;
      expect(own.data).toEqual(other.data);
    }
    expect(both).toBeGreaterThan(20);
  });
});
