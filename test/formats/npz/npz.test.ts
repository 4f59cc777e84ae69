import { createWriteStream } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ZipFile } from 'yazl';
import { type NpyArraySource, NpzFile, writeNpz } from '../../../src/formats/npz.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'npz-'));
});
afterAll(() => rm(folder, { recursive: true }));

const fixture = (name: string) => new URL(`../../fixtures/${name}`, import.meta.url).pathname;

describe('reading what NumPy wrote', () => {
  it('reads stored arrays of each kind', async () => {
    const file = await NpzFile.open(fixture('numpy.npz'));
    expect(file.names).toEqual(['arr_0', 'mu', 'half', 'n', 'empty', 'flag', 'i']);
    expect(await file.read('arr_0')).toEqual({
      dtype: 'u1',
      shape: [1, 2, 3],
      data: Uint8Array.of(0, 1, 2, 3, 4, 5),
    });
    expect(await file.read('mu')).toEqual({ dtype: 'f8', shape: [2], data: Float64Array.of(0.5, -1.25) });
    expect(await file.read('half')).toEqual({
      dtype: 'f2',
      shape: [2],
      data: Uint16Array.of(0x3c00, 0xc000),
    });
    expect(await file.read('n')).toEqual({ dtype: 'i8', shape: [], data: BigInt64Array.of(2n ** 40n) });
    expect(await file.read('empty')).toEqual({ dtype: 'f4', shape: [0, 3], data: new Float32Array(0) });
    expect(await file.read('flag')).toEqual({ dtype: 'b1', shape: [2], data: Uint8Array.of(1, 0) });
    expect(await file.read('i')).toEqual({ dtype: 'i4', shape: [1], data: Int32Array.of(-5) });
    await expect(file.read('absent')).rejects.toMatchObject({ code: 'zip-invalid' });
    await file.close();
  });

  it('reads compressed arrays, and refuses what it cannot hold', async () => {
    const file = await NpzFile.open(fixture('numpy_compressed.npz'));
    const { shape, data } = await file.read('sigma');
    expect(shape).toEqual([20, 20]);
    expect([...data]).toEqual(Array.from({ length: 400 }, (_, i) => (i % 21 === 0 ? 1 : 0)));
    await expect(file.read('big')).rejects.toThrow('big.npy: it is big-endian.');
    await expect(file.read('columns')).rejects.toThrow('columns.npy: it is column-major.');
    await expect(file.read('text')).rejects.toThrow("its elements cannot be read: {'descr': '<U1'");
    await file.close();
  });

  it('notices damage', async () => {
    const bytes = await readFile(fixture('numpy.npz'));
    const path = join(folder, 'damaged.npz');
    bytes[bytes.indexOf('NUMPY') + 125]! ^= 1;
    await writeFile(path, bytes);
    const file = await NpzFile.open(path);
    await expect(file.read('arr_0')).rejects.toThrow('its entry arr_0.npy is damaged');
    await file.close();
    await writeFile(path, bytes.subarray(0, 900));
    await expect(NpzFile.open(path)).rejects.toMatchObject({ code: 'zip-invalid' });
    await expect(NpzFile.open(join(folder, 'absent.npz'))).rejects.toMatchObject({ code: 'file-missing' });
  });
});

describe('reading images some at a time', () => {
  const images = Uint8Array.from({ length: 7 * 30_000 }, (_, i) => (i * i) % 251);

  async function partsOf(path: string, rows: number, skip?: number) {
    const file = await NpzFile.open(path);
    const parts = [];
    for await (const { shape, data } of file.rows('arr_0', rows, skip))
      parts.push({ shape, data: Buffer.from(data as Uint8Array) });
    await file.close();
    return parts;
  }

  it.each([
    ['stored', undefined],
    ['compressed, as numpy.savez_compressed does', true],
  ])('gives all of them in order: %s', async (_, compress) => {
    const stored = join(folder, 'images.npz');
    await writeNpz(stored, [{ name: 'arr_0', dtype: 'u1', shape: [7, 100, 100, 3], data: images }]);
    const path = compress ? join(folder, 'images-compressed.npz') : stored;
    if (compress) await compressed(stored, path);
    const parts = await partsOf(path, 3);
    expect(parts.map(({ shape }) => shape)).toEqual([3, 3, 1].map((count) => [count, 100, 100, 3]));
    expect(Buffer.concat(parts.map(({ data }) => data)).equals(images)).toBe(true);
    const rest = await partsOf(path, 3, 4);
    expect(Buffer.concat(rest.map(({ data }) => data)).equals(images.subarray(4 * 30_000))).toBe(true);
  });

  it('knows shape and type without reading them', async () => {
    const file = await NpzFile.open(fixture('numpy.npz'));
    expect(await file.header('arr_0')).toEqual({ dtype: 'u1', shape: [1, 2, 3] });
    expect(await file.header('mu')).toEqual({ dtype: 'f8', shape: [2] });
    await expect(file.header('none')).rejects.toMatchObject({ code: 'zip-invalid' });
    await expect(file.rows('mu', 1).next()).rejects.toMatchObject({ code: 'npy-invalid' });
    await file.close();
  });
});

/** The same archive with its entries compressed. */
async function compressed(from: string, to: string): Promise<void> {
  const source = await NpzFile.open(from);
  const { data, shape } = await source.read('arr_0');
  await source.close();
  const stored = await readFile(from);
  const header = stored.subarray(stored.indexOf('\x93NUMPY', 0, 'latin1')).subarray(0, 128);
  expect(header.toString('latin1')).toContain(`(${shape.join(', ')})`);
  const zip = new ZipFile();
  zip.addBuffer(
    Buffer.concat([header, Buffer.from(data.buffer, data.byteOffset, data.byteLength)]),
    'arr_0.npy',
    { compress: true },
  );
  zip.end();
  await pipeline(zip.outputStream, createWriteStream(to));
}

describe('writing', () => {
  const arrays: NpyArraySource[] = [
    {
      name: 'arr_0',
      dtype: 'u1',
      shape: [2, 3],
      data: () => [Uint8Array.of(1, 2, 3), Uint8Array.of(4, 5, 6)],
    },
    { name: 'mu', dtype: 'f8', shape: [1], data: Float64Array.of(0.1) },
  ];

  it('gives the content that NumPy gives, in the same bytes every time', async () => {
    const path = join(folder, 'written.npz');
    await writeNpz(path, arrays);
    const bytes = await readFile(path);
    const header =
      "\x93NUMPY\x01\x00v\x00{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }".padEnd(127) + '\n';
    const content = Buffer.concat([Buffer.from(header, 'latin1'), Uint8Array.of(1, 2, 3, 4, 5, 6)]);
    expect(bytes.includes(content)).toBe(true);
    const file = await NpzFile.open(path);
    expect(await file.read('mu')).toEqual({ dtype: 'f8', shape: [1], data: Float64Array.of(0.1) });
    await file.close();
    await writeNpz(path, arrays);
    expect((await readFile(path)).equals(bytes)).toBe(true);
  });

  it('leaves nothing behind when the data fails or has another size', async () => {
    const inner = await mkdtemp(join(folder, 'failing-'));
    const path = join(inner, 'x.npz');
    function* breaks(): Generator<Uint8Array> {
      yield Uint8Array.of(1);
      throw new Error('it broke');
    }
    await expect(writeNpz(path, [{ ...arrays[0]!, data: breaks }])).rejects.toThrow('it broke');
    await expect(writeNpz(path, [{ ...arrays[0]!, shape: [7] }])).rejects.toThrow(
      'unexpected number of bytes',
    );
    expect(await readdir(inner)).toEqual([]);
  });
});
