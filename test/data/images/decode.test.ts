import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import type { Sharp } from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { crop } from '../../../src/data/images/crop.js';
import { decodeImage } from '../../../src/data/images/decode.js';
import { encodePng, imageGrid, writePng } from '../../../src/data/images/png.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'decode-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function stored(name: string, image: Sharp | Uint8Array | string): Promise<string> {
  const path = join(folder, name);
  await writeFile(
    path,
    image instanceof Uint8Array || typeof image === 'string' ? image : await image.toBuffer(),
  );
  return path;
}

const pixels = async (path: string, background = '#ffffff') => [
  ...(await decodeImage(path, background)).data,
];

/** Two pixels beside each other. */
const raw = (channels: 1 | 2 | 3 | 4, ...values: number[]) =>
  sharp(Uint8Array.from(values), { raw: { width: 2, height: 1, channels } });
const colours = [200, 100, 50, 0, 10, 255];

describe('decoding', () => {
  it('reads each format', async () => {
    expect(await pixels(await stored('a.png', raw(3, ...colours).png()))).toEqual(colours);
    expect(await pixels(await stored('a.webp', raw(3, ...colours).webp({ lossless: true })))).toEqual(
      colours,
    );
    expect(await pixels(await stored('a.gif', raw(3, ...colours).gif()))).toEqual(colours);
    const even = raw(3, 200, 100, 50, 200, 100, 50).jpeg({ quality: 100, chromaSubsampling: '4:4:4' });
    for (const [i, value] of (await pixels(await stored('a.jpg', even))).entries()) {
      // JPEG rounds its coefficients and its colour space: a level or two.
      expect(Math.abs(value - [200, 100, 50][i % 3]!)).toBeLessThanOrEqual(2);
    }
  });

  it('composites transparency on the background', async () => {
    const path = await stored('alpha.png', raw(4, 255, 0, 0, 255, 0, 0, 0, 0).png());
    expect(await pixels(path, '#102030')).toEqual([255, 0, 0, 0x10, 0x20, 0x30]);
    const half = await stored('half.png', raw(4, 255, 0, 0, 51, 0, 0, 0, 51).png());
    expect(await pixels(half, '#ffffff')).toEqual([255, 204, 204, 204, 204, 204]);
    const grey = await stored('grey-alpha.png', raw(2, 90, 255, 90, 0).png());
    expect(await pixels(grey, '#ff8000')).toEqual([90, 90, 90, 255, 128, 0]);
  });

  it('converts grey, palette, 16-bit and CMYK images', async () => {
    expect(await pixels(await stored('grey.png', raw(1, 7, 250).toColourspace('b-w').png()))).toEqual([
      7, 7, 7, 250, 250, 250,
    ]);
    expect(await pixels(await stored('palette.png', raw(3, ...colours).png({ palette: true })))).toEqual(
      colours,
    );
    const deep = await stored(
      'deep.png',
      raw(3, ...colours)
        .toColourspace('rgb16')
        .png(),
    );
    expect((await sharp(deep).metadata()).depth).toBe('ushort');
    expect(await pixels(deep)).toEqual(colours);
    const cmyk = await stored(
      'cmyk.jpg',
      raw(3, ...colours)
        .toColourspace('cmyk')
        .jpeg(),
    );
    expect((await sharp(cmyk).metadata()).space).toBe('cmyk');
    expect(await pixels(cmyk)).toHaveLength(6);
  });

  it('leaves the EXIF orientation alone, as Pillow does', async () => {
    const path = await stored(
      'turned.jpg',
      raw(3, ...colours)
        .withMetadata({ orientation: 6 })
        .jpeg(),
    );
    expect(await decodeImage(path, '#ffffff')).toMatchObject({ width: 2, height: 1 });
  });

  it('takes the first frame of an animation', async () => {
    const frames = sharp(Uint8Array.from([255, 0, 0, 0, 0, 255]), {
      raw: { width: 1, height: 2, channels: 3, pageHeight: 1 },
    }).gif({ delay: [10, 10] });
    const path = await stored('moving.gif', frames);
    expect((await sharp(path).metadata()).pages).toBe(2);
    expect(await pixels(path)).toEqual([255, 0, 0]);
  });

  it('brings an image to a size, and says which it had', async () => {
    const wide = sharp({ create: { width: 30, height: 20, channels: 3, background: '#804020' } });
    const path = await stored('wide.png', wide.png());
    const image = await decodeImage(path, '#ffffff');
    expect(image).toMatchObject({ width: 30, height: 20 });
    expect([...(await crop({ image, size: 8 }))]).toEqual(
      Array.from({ length: 64 }, () => [0x80, 0x40, 0x20]).flat(),
    );
  });
});

describe('refuses', () => {
  it.each([
    ['text', 'hello', 'its content is not PNG, JPEG, WebP or GIF'],
    ['an empty file', '', 'its content is not PNG, JPEG, WebP or GIF'],
    [
      'SVG',
      '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
      'is not PNG, JPEG, WebP or GIF',
    ],
    ['a head alone', Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), 'it cannot be decoded: '],
  ])('%s', async (_, content, problem) => {
    const path = await stored('wrong.png', content);
    await expect(decodeImage(path, '#ffffff')).rejects.toMatchObject({ code: 'image-unreadable' });
    await expect(decodeImage(path, '#ffffff')).rejects.toThrow(`${path}: expected an image, but`);
    await expect(decodeImage(path, '#ffffff')).rejects.toThrow(problem);
  });

  it.each(['png', 'jpeg', 'webp'] as const)('a truncated %s', async (format) => {
    const noise = Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * i * 7919) >> 3);
    const whole = await sharp(noise, { raw: { width: 64, height: 64, channels: 3 } })
      .toFormat(format)
      .toBuffer();
    const path = await stored('cut', whole.subarray(0, whole.length >> 1));
    await expect(decodeImage(path, '#ffffff')).rejects.toMatchObject({ code: 'image-unreadable' });
  });

  it('a file that is not there', async () => {
    await expect(decodeImage(join(folder, 'absent.png'), '#ffffff')).rejects.toMatchObject({
      code: 'file-missing',
    });
  });
});

describe('PNG', () => {
  it('keeps every byte', async () => {
    const path = join(folder, 'written.png');
    await writePng(path, { width: 2, height: 1, data: Uint8Array.from(colours) });
    expect(await pixels(path)).toEqual(colours);
    expect(await readFile(path)).toEqual(
      await encodePng({ width: 2, height: 1, data: Uint8Array.from(colours) }),
    );
  });
});

describe('a grid', () => {
  const dot = (value: number) => ({ width: 1, height: 1, data: new Uint8Array(3).fill(value) });
  const greys = ({ data }: { data: Uint8Array }) => [...data].filter((_, i) => i % 3 === 0);

  it('lays images out row by row', () => {
    const grid = imageGrid([dot(1), dot(2), dot(3)], { columns: 2, padding: 1, background: 9 });
    expect(grid).toMatchObject({ width: 5, height: 5 });
    expect(greys(grid)).toEqual([9, 9, 9, 9, 9, 9, 1, 9, 2, 9, 9, 9, 9, 9, 9, 9, 3, 9, 9, 9, 9, 9, 9, 9, 9]);
  });

  it('enlarges without blurring', () => {
    const two = { width: 2, height: 1, data: Uint8Array.of(1, 1, 1, 2, 2, 2) };
    expect(greys(imageGrid([two], { columns: 1, padding: 0, scale: 2 }))).toEqual([1, 1, 2, 2, 1, 1, 2, 2]);
  });

  it('refuses images of several sizes', () => {
    const two = { width: 2, height: 1, data: new Uint8Array(6) };
    expect(() => imageGrid([dot(1), two], { columns: 2 })).toThrow('image 1 of a grid');
  });
});
