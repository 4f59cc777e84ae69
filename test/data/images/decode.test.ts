import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import type { Sharp } from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { crop } from '../../../src/data/images/crop.js';
import { decodeBytes, decodeImage } from '../../../src/data/images/decode.js';
import { factsOfFile } from '../../../src/data/images/file-facts.js';
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

/** Files of many kinds, and what Pillow reads from each: of `make.py` beside them. */
const ofPillow = Object.entries(
  JSON.parse(readFileSync(new URL('../../fixtures/pixels/pixels.json', import.meta.url), 'utf8')) as Readonly<
    Record<string, PillowImage>
  >,
);

interface PillowImage {
  readonly file: string;
  readonly width: number;
  readonly height: number;
  readonly rgb: string;
  readonly onWhite?: string;
  readonly upright?: string;
  readonly uprightWidth?: number;
}

const bytesOf = (base64: string) => Buffer.from(base64, 'base64');

/** The largest difference, in grey levels. */
function difference(a: Uint8Array, b: Uint8Array): number {
  expect(a.length).toBe(b.length);
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);
}

describe("equals Pillow's convert('RGB')", () => {
  it.each(ofPillow)('of %s', async (name, { file, width, height, rgb }) => {
    const image = await decodeBytes(bytesOf(file), name, { background: 'none' });
    expect(image).toMatchObject({ width, height });
    // Two libraries round the colours of AVIF in two ways.
    const most = name.endsWith('.avif') ? 1 : 0;
    expect(difference(image.data, bytesOf(rgb))).toBeLessThanOrEqual(most);
  });

  it.each(ofPillow.filter(([, { onWhite }]) => onWhite))(
    'composited on white, to a level, of %s',
    async (name, { file, onWhite }) => {
      const { data } = await decodeBytes(bytesOf(file), name, { background: '#ffffff' });
      expect(difference(data, bytesOf(onWhite!))).toBeLessThanOrEqual(1);
    },
  );

  it.each(ofPillow.filter(([, { upright }]) => upright))(
    'upright, where that is asked for, of %s',
    async (name, { file, upright, uprightWidth }) => {
      const rules = { background: 'none', orientation: 'apply' } as const;
      const { data, width } = await decodeBytes(bytesOf(file), name, rules);
      expect(width).toBe(uprightWidth);
      expect(difference(data, bytesOf(upright!))).toBe(0);
    },
  );
});

it('scales grey of 16 bits, which Pillow clips', async () => {
  const file = Buffer.from('P5 3 1 65535\n\0\0\x80\0\xff\xff', 'latin1');
  expect([...(await decodeBytes(file, 'deep.pgm', { background: 'none' })).data]).toEqual(
    [0, 128, 255].flatMap((value) => [value, value, value]),
  );
});

it('tells of AVIF files with colour at half the resolution, which Pillow enlarges otherwise', async () => {
  const half = await readFile('test/fixtures/pixels/half-chroma.avif');
  expect(await factsOfFile(half)).toMatchObject({ colours: 'RGB, colour at half the resolution' });
  const { data } = await decodeBytes(half, 'half-chroma.avif', { background: 'none' });
  // Away from edges, to what compression loses.
  expect(difference(data.subarray(0, 3), Uint8Array.of(30, 200, 40))).toBeLessThanOrEqual(8);
  const [, full] = ofPillow.find(([name]) => name === 'full-chroma.avif')!;
  expect(await factsOfFile(bytesOf(full.file))).toMatchObject({ colours: 'RGB' });
});

describe('refuses', () => {
  it.each(['ycc-plain.tif', 'ycc-packed.tif'])('%s, whose colours would be others', async (name) => {
    const file = await readFile(`test/fixtures/pixels/${name}`);
    await expect(decodeBytes(file, name, { background: 'none' })).rejects.toThrow(
      `${name}: expected an image, but it cannot be decoded: its colours are luma and chroma (YCbCr)`,
    );
  });

  it.each(ofPillow.filter(([name]) => /\.(bmp|ppm|pgm|tif|avif)$/.test(name)))(
    'a cut %s',
    async (name, { file }) => {
      const whole = bytesOf(file);
      const half = whole.subarray(0, whole.length >> 1);
      await expect(decodeBytes(half, name, { background: 'none' })).rejects.toMatchObject({
        code: 'image-unreadable',
      });
    },
  );

  it.each([
    ['HEIC', '\0\0\0\x18ftypheic\0\0\0\0mif1heic'],
    ['JPEG 2000', '\0\0\0\x0cjP  \r\n\x87\n'],
    ['JPEG XL', '\xff\n\xfa\x1f'],
    ['a web page', '<!DOCTYPE html><html>'],
    ['a pointer of Git LFS', 'version https://git-lfs.github.com/spec/v1\n'],
  ])('%s, naming it', async (name, content) => {
    const problem = new RegExp(`^x.jpg: expected an image, but its content is ${name}\\b.*, not PNG, JPEG, `);
    await expect(
      decodeBytes(Buffer.from(content, 'latin1'), 'x.jpg', { background: 'none' }),
    ).rejects.toThrow(problem);
  });

  it.each([
    ['BMP', (file: Buffer) => file.writeInt32LE(20_000, 18) && file.writeInt32LE(20_000, 22), 'plain.bmp'],
    ['PPM', (file: Buffer) => file.write('P6\n20000 20000\n255\n'), 'plain.ppm'],
  ])('a small %s that announces more pixels than are read', async (_, change, name) => {
    const file = bytesOf(ofPillow.find(([each]) => each === name)![1].file);
    change(file);
    await expect(decodeBytes(file, name, { background: 'none' })).rejects.toThrow('pixel limit');
  });

  it.each([
    ['text', 'hello', 'its content is not PNG, JPEG, WebP, GIF, '],
    ['an empty file', '', 'its content is not PNG, JPEG, WebP, GIF, '],
    [
      'SVG',
      '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
      'its content is SVG, not PNG, ',
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
    await expect(decodeImage(path, '#ffffff')).rejects.toMatchObject({
      code: 'image-unreadable',
      message: expect.not.stringContaining('Unknown error') as string,
    });
  });

  it('many at once, whose reasons libvips mixes up', async () => {
    const noise = Uint8Array.from({ length: 320 * 240 * 3 }, (_, i) => (i * i * 7919) >> 3);
    const image = sharp(noise, { raw: { width: 320, height: 240, channels: 3 } });
    const cut = await Promise.all(
      (['png', 'jpeg'] as const).map(async (format) => {
        const whole = await image.clone().toFormat(format).toBuffer();
        return stored(`many.${format}`, whole.subarray(0, 0.9 * whole.length));
      }),
    );
    const decoding = Array.from({ length: 200 }, (_, i) => decodeImage(cut[i % 2]!, '#ffffff'));
    for (const result of await Promise.allSettled(decoding))
      expect(result).toMatchObject({
        status: 'rejected',
        reason: { message: expect.not.stringMatching(/Unknown error|decoded: \.$/) as string },
      });
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
    expect(() => imageGrid([dot(1), two], { columns: 2 })).toThrow('Image 1 of a grid');
  });
});
