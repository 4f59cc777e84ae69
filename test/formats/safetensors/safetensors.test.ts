import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSafetensors } from '../../../src/formats/safetensors/reader.js';
import { type TensorSource, writeSafetensors } from '../../../src/formats/safetensors/writer.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'safetensors-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** A file put together by hand, as the format's description has it. */
async function handmade(name: string, header: string, data: Uint8Array = new Uint8Array(0)): Promise<string> {
  const path = join(folder, name);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(Buffer.byteLength(header)));
  await writeFile(path, Buffer.concat([length, Buffer.from(header), data]));
  return path;
}

describe('reading', () => {
  it('reads each element type', async () => {
    const data = Buffer.alloc(43);
    data.writeFloatLE(1.5, 0);
    data.writeDoubleLE(-2.25, 4);
    data.writeBigInt64LE(-(2n ** 60n), 12);
    data.writeInt32LE(-7, 20);
    data.writeUInt16LE(0x3c00, 24);
    data.writeUInt16LE(0xbf80, 26);
    data.set([200, 1, 0], 28);
    data.writeBigUInt64LE(2n ** 63n, 31);
    data.writeInt16LE(-300, 39);
    data.writeInt8(-1, 41);
    data.writeUInt8(9, 42);
    const entry = (dtype: string, begin: number, end: number, shape = [1]) => ({
      dtype,
      shape,
      data_offsets: [begin, end],
    });
    const path = await handmade(
      'types.safetensors',
      JSON.stringify({
        f32: entry('F32', 0, 4),
        f64: entry('F64', 4, 12),
        i64: entry('I64', 12, 20),
        i32: entry('I32', 20, 24),
        f16: entry('F16', 24, 26),
        bf16: entry('BF16', 26, 28),
        u8: entry('U8', 28, 29),
        bool: entry('BOOL', 29, 31, [2, 1]),
        u64: entry('U64', 31, 39),
        i16: entry('I16', 39, 41),
        i8: entry('I8', 41, 42),
        scalar: entry('U8', 42, 43, []),
        empty: entry('F32', 43, 43, [3, 0]),
      }),
      data,
    );
    const file = await openSafetensors(path);
    const elements = async (name: string) => [...(await file.read(name)).data];
    expect(await elements('f32')).toEqual([1.5]);
    expect(await elements('f64')).toEqual([-2.25]);
    expect(await elements('i64')).toEqual([-(2n ** 60n)]);
    expect(await elements('i32')).toEqual([-7]);
    expect(await elements('u8')).toEqual([200]);
    expect(await file.read('bool')).toEqual({ dtype: 'BOOL', shape: [2, 1], data: Uint8Array.of(1, 0) });
    expect(await elements('u64')).toEqual([2n ** 63n]);
    expect(await elements('i16')).toEqual([-300]);
    expect(await elements('i8')).toEqual([-1]);
    expect(await elements('empty')).toEqual([]);
    expect(await file.read('scalar')).toEqual({ dtype: 'U8', shape: [], data: Uint8Array.of(9) });
    expect(await file.readFloat32('f16')).toEqual(Float32Array.of(1));
    expect(await file.readFloat32('bf16')).toEqual(Float32Array.of(-1));
    expect(await file.readFloat32('f64')).toEqual(Float32Array.of(-2.25));
    await expect(file.readFloat32('i32')).rejects.toMatchObject({ code: 'tensor-type' });
    await expect(file.read('absent')).rejects.toMatchObject({
      code: 'tensor-missing',
      message: `${path}: expected a tensor "absent", found none among its 13.`,
    });
    await file.close();
  });

  it('reads rows', async () => {
    const path = join(folder, 'rows.safetensors');
    await writeSafetensors(path, [
      { name: 'a', dtype: 'F32', shape: [2], data: Float32Array.of(1, 2) },
      { name: 'm', dtype: 'U8', shape: [3, 2], data: Uint8Array.of(1, 2, 3, 4, 5, 6) },
    ]);
    const file = await openSafetensors(path);
    const rows = new Uint8Array(4);
    await file.readRows('m', 1, rows);
    expect([...rows]).toEqual([3, 4, 5, 6]);
    await expect(file.readRows('m', 2, rows)).rejects.toThrow(RangeError);
    await file.close();
  });

  const tensor = (begin: number, end: number, shape = [end - begin]) =>
    JSON.stringify({ dtype: 'U8', shape, data_offsets: [begin, end] });
  it.each([
    [
      'a missing end',
      `{"a":${tensor(0, 4)}}`,
      3,
      'it should have 65 bytes, but ends after 64: it is incomplete',
    ],
    ['trailing bytes', `{"a":${tensor(0, 4)}}`, 6, '2 bytes follow its last tensor'],
    ['overlaps', `{"a":${tensor(0, 4)},"b":${tensor(3, 6)}}`, 6, 'tensor "b" overlaps the one before it'],
    [
      'gaps',
      `{"a":${tensor(0, 4)},"b":${tensor(5, 6)}}`,
      6,
      'tensor "b" leaves a gap after the one before it',
    ],
    ['sizes', `{"a":${tensor(0, 4, [5])}}`, 4, 'tensor "a" needs 5 bytes for its shape, but has 4'],
    ['negative sizes', `{"a":${tensor(0, 4, [-4])}}`, 4, 'tensor "a" has the shape [-4]'],
    ['offsets', `{"a":${tensor(4, 0, [4])}}`, 4, 'tensor "a" has the offsets [4,0]'],
    ['names', `{"a":${tensor(0, 4)},"a":${tensor(0, 4)}}`, 4, 'its header names "a" twice'],
    [
      'escaped names',
      `{"a\\"":${tensor(0, 4)},"a\\u0022":${tensor(0, 4)}}`,
      4,
      'its header names "a"" twice',
    ],
    ['types', '{"a":{"dtype":"F7"}}', 0, 'tensor "a" has the unknown element type "F7"'],
    ['syntax', '{"a":', 0, 'its header is not JSON'],
    ['arrays', '[]', 0, 'its header is not a JSON object'],
    ['metadata', '{"__metadata__":{"n":1}}', 0, 'its "__metadata__" is not an object of strings'],
  ])('refuses wrong %s', async (_, header, bytes, problem) => {
    const path = await handmade('wrong.safetensors', header, new Uint8Array(bytes));
    await expect(openSafetensors(path)).rejects.toMatchObject({
      code: 'safetensors-invalid',
      message: `${path}: not a valid safetensors file: ${problem}.`,
    });
  });

  it('refuses what is no such file', async () => {
    const path = join(folder, 'text');
    await writeFile(path, 'hello, I am a text file');
    await expect(openSafetensors(path)).rejects.toThrow('its first 8 bytes announce a header of');
    await writeFile(path, 'hi');
    await expect(openSafetensors(path)).rejects.toThrow('it has only 2 bytes');
    await expect(openSafetensors(join(folder, 'absent'))).rejects.toMatchObject({ code: 'file-missing' });
    await expect(openSafetensors(folder)).rejects.toMatchObject({ code: 'not-a-file' });
  });
});

describe('writing', () => {
  const tensors: TensorSource[] = [
    { name: 'b', dtype: 'F32', shape: [1, 2], data: Float32Array.of(1, -2) },
    { name: 'c', dtype: 'F16', shape: [3], data: () => Promise.resolve(Uint16Array.of(1, 2, 3)) },
    { name: 'a', dtype: 'F32', shape: [], data: () => Float32Array.of(0.5) },
    { name: 'ü', dtype: 'I64', shape: [1], data: BigInt64Array.of(-1n) },
  ];

  it('gives the same bytes whatever the order, aligned, with the seal of the file', async () => {
    const [one, other] = [join(folder, 'one'), join(folder, 'other')];
    const seal = await writeSafetensors(one, tensors, { step: '3', by: 'test' });
    await writeSafetensors(other, [...tensors].reverse(), { by: 'test', step: '3' });
    const bytes = await readFile(one);
    expect(bytes.equals(await readFile(other))).toBe(true);
    expect(seal).toEqual({ bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') });
    const length = Number(bytes.readBigUInt64LE());
    expect(length % 8).toBe(0);
    expect(JSON.parse(bytes.toString('utf8', 8, 8 + length))).toEqual({
      __metadata__: { by: 'test', step: '3' },
      ü: { dtype: 'I64', shape: [1], data_offsets: [0, 8] },
      a: { dtype: 'F32', shape: [], data_offsets: [8, 12] },
      b: { dtype: 'F32', shape: [1, 2], data_offsets: [12, 20] },
      c: { dtype: 'F16', shape: [3], data_offsets: [20, 26] },
    });
    const file = await openSafetensors(one);
    expect(file.metadata).toEqual({ by: 'test', step: '3' });
    expect(await file.read('b')).toEqual({ dtype: 'F32', shape: [1, 2], data: Float32Array.of(1, -2) });
    await file.close();
  });

  it('leaves nothing behind when a tensor fails, and keeps the file that was there', async () => {
    const inner = await mkdtemp(join(folder, 'failing-'));
    const path = join(inner, 'weights');
    await writeSafetensors(path, tensors.slice(0, 1));
    const before = await readFile(path);
    const failing = { ...tensors[2]!, data: () => Promise.reject(new Error('no data')) };
    await expect(writeSafetensors(path, [tensors[0]!, failing])).rejects.toThrow('no data');
    await expect(writeSafetensors(path, [{ ...tensors[0]!, shape: [3] }])).rejects.toThrow(
      'tensor "b" needs a Float32Array of 3, was given a Float32Array of 2',
    );
    expect(await readdir(inner)).toEqual(['weights']);
    expect((await readFile(path)).equals(before)).toBe(true);
  });

  it('reads a file written by another implementation and writes it back', async () => {
    const path = new URL('../../fixtures/reference_checkpoint.safetensors', import.meta.url).pathname;
    const file = await openSafetensors(path);
    const copy = join(folder, 'copy');
    await writeSafetensors(
      copy,
      [...file.tensors].map(([name, { dtype, shape }]) => ({
        name,
        dtype,
        shape,
        data: async () => (await file.read(name)).data,
      })),
      file.metadata,
    );
    await file.close();
    expect((await readFile(copy)).equals(await readFile(path))).toBe(true);
  });
});
