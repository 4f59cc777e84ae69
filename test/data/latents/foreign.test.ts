import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { expandLocation } from '../../../src/base/patterns.js';
import { openForeignLatents } from '../../../src/data/latents/foreign.js';
import { writeNpz } from '../../../src/formats/npz.js';
import { type TensorSource, writeSafetensors } from '../../../src/formats/safetensors/writer.js';
import { writeZip } from '../../../src/formats/zip-writer.js';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'foreign-'));
});
afterEach(() => rm(folder, { recursive: true }));

const open = (path = '.') => openForeignLatents(expandLocation(join(folder, path)));

/** What is thrown when the latents are opened, their labels are read and then each of them, both ways. */
async function problemOf(path?: string): Promise<string> {
  try {
    const latents = await open(path);
    try {
      await latents.classNames();
      for (let i = 0; i < latents.count; i++)
        for (const flipped of latents.isFlippable ? [false, true] : [false]) await latents.read(i, flipped);
    } finally {
      await latents.close();
    }
    return 'none';
  } catch (error) {
    return `${(error as { code?: string }).code}: ${(error as Error).message}`;
  }
}

/** A `.npy` file. */
async function writeNpy(name: string, descr: string, shape: string, data: Uint8Array): Promise<void> {
  const header = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${shape}, }\n`;
  const begin = Buffer.from('\x93NUMPY\x01\x00\x00\x00', 'latin1');
  begin.writeUInt16LE(header.length, 8);
  const path = join(folder, name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, Buffer.concat([begin, Buffer.from(header), data]));
}

describe('shards of LightningDiT', () => {
  const float = (rows: number) => ({
    dtype: 'F32' as const,
    shape: [rows, 1, 2, 2],
    data: Float32Array.from({ length: 4 * rows }, (_, i) => i),
  });
  const labels = (rows: number) => ({
    dtype: 'I64' as const,
    shape: [rows],
    data: BigInt64Array.from({ length: rows }, (_, i) => BigInt(i)),
  });
  const write = (file: string, tensors: Readonly<Record<string, Omit<TensorSource, 'name'>>>) =>
    writeSafetensors(
      join(folder, file),
      Object.entries(tensors).map(([name, source]) => ({ name, ...source })),
    );

  it('may be empty', async () => {
    await write('a.safetensors', { latents: float(0), labels: labels(0) });
    await write('b.safetensors', { latents: float(2), labels: labels(2) });
    const latents = await open();
    expect([...(await latents.read(1, false)).mean]).toEqual([4, 5, 6, 7]);
    expect(await latents.classNames()).toEqual(['0', '1']);
    await latents.close();
  });

  it.each<[string, Parameters<typeof write>[1], string]>([
    ['of other types', { latents: { dtype: 'F64', shape: [1, 1, 2, 2], data: new Float64Array(4) } }, 'F64'],
    ['with fewer mirrored ones', { latents: float(2), latents_flip: float(1) }, '1 mirrored latents of 2'],
    [
      'with labels that are no integers',
      { latents: float(1), labels: { dtype: 'F32', shape: [1], data: Float32Array.of(0.5) } },
      'found 0.5',
    ],
    [
      'with labels whose bits would pass for integers',
      { latents: float(1), labels: { dtype: 'F16', shape: [1], data: Uint16Array.of(0x3c00) } },
      'half precision',
    ],
  ])('are refused by name %s', async (_, tensors, problem) => {
    await write('a.safetensors', { labels: labels(1), ...tensors });
    expect(await problemOf()).toMatch(/^foreign-latents-invalid: /);
    expect(await problemOf()).toContain(problem);
  });
});

it('labels of fast-DiT in half precision are refused', async () => {
  await writeNpy('x_features/0.npy', '<f4', '(1, 1, 2, 2)', new Uint8Array(16));
  await writeNpy('x_labels/0.npy', '<f2', '(1,)', Uint8Array.of(0, 0x3c));
  expect(await problemOf()).toMatch(/^foreign-latents-invalid: .*half precision/);
});

it('folders of classes that lie in one other folder are refused', async () => {
  for (const name of ['train/n0', 'train/n1']) {
    await mkdir(join(folder, name), { recursive: true });
    const data = new Float32Array(8);
    await writeNpz(join(folder, name, 'a.npz'), [{ name: 'moments', dtype: 'f4', shape: [2, 2, 2], data }]);
  }
  expect(await problemOf()).toContain('found only "train" with 2 folders');
  expect(await problemOf('train')).toBe('none');
});

it('a zip of EDM2 without labels is refused', async () => {
  await writeNpy('a.npy', '<f4', '(2, 2, 2)', new Uint8Array(32));
  const content = await readFile(join(folder, 'a.npy'));
  await writeZip(join(folder, 'x.zip'), [
    { name: '00000/a.npy', bytes: content.length, content: () => [content] },
  ]);
  expect(await problemOf('x.zip')).toContain('no dataset.json');
});
