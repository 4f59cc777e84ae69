import { appendFile, chmod, mkdtemp, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hashFile } from '../../src/base/file-hash.js';
import { expectContents, InputFile, inputLines, readInput } from '../../src/base/input-file.js';
import { LatentDataset } from '../../src/data/latents/dataset.js';
import { LatentWriter } from '../../src/data/latents/writer.js';
import { NpzFile, writeNpz } from '../../src/formats/npz.js';
import { openSafetensors } from '../../src/formats/safetensors/reader.js';
import { writeSafetensors } from '../../src/formats/safetensors/writer.js';

let folder: string;
let end: () => void;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'input-file-'));
  end = () => undefined;
});

afterEach(async () => {
  end();
  await rm(folder, { recursive: true, force: true });
});

/** From now on the file must hold what it holds now; `seen` also says under which identity it does. */
async function expected(path: string, seen = true): Promise<void> {
  const { sha256, state } = await hashFile(path);
  end = expectContents((asked) =>
    Promise.resolve(asked === path ? { sha256, ...(seen && { state }) } : undefined),
  );
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

const changed = { code: 'input-changed' };

describe('a file of which it is known what it must hold', () => {
  const path = () => join(folder, 'file');

  it.each([true, false])('is read in parts as long as it holds that (identity known: %s)', async (seen) => {
    await writeFile(path(), 'as it was');
    await expected(path(), seen);
    const file = await InputFile.open(path());
    const part = Buffer.alloc(2);
    await file.read(part, 0);
    // Another identity, the same content.
    await utimes(path(), 1, 1);
    await chmod(path(), 0o400);
    await file.read(part, 3);
    expect(part.toString()).toBe('it');
    // A file that takes its place is another one: the open file is read.
    await writeFile(join(folder, 'other'), 'otherwise');
    await rename(join(folder, 'other'), path());
    await file.read(part, 0);
    expect(part.toString()).toBe('as');
    await file.close();
    await expect(InputFile.open(path())).rejects.toMatchObject(changed);
  });

  it('is refused once it is written to', async () => {
    await writeFile(path(), 'as it was');
    await expected(path());
    const file = await InputFile.open(path());
    await writeFile(path(), 'AS IT WAS');
    await expect(file.read(Buffer.alloc(2), 0)).rejects.toMatchObject(changed);
    await writeFile(path(), 'as it was');
    await file.read(Buffer.alloc(2), 0);
    await file.close();
  });

  it('is read whole, or line by line, where it holds that', async () => {
    await writeFile(path(), 'one\ntwo\nthree');
    await expected(path());
    expect((await readInput(path())).toString()).toBe('one\ntwo\nthree');
    expect(await all(inputLines(path()))).toEqual(['one', 'two', 'three']);
    await appendFile(path(), '\n');
    await expect(readInput(path())).rejects.toMatchObject(changed);
    await expect(all(inputLines(path()))).rejects.toMatchObject(changed);
  });
});

describe('damage while a file is read in parts is met at once', () => {
  /** Writes a byte in the middle of a file, leaving its size. */
  async function damage(path: string): Promise<void> {
    const content = await readInput(path).catch(() => Buffer.alloc(0));
    end();
    content[Math.floor(content.length / 2)]! ^= 1;
    await writeFile(path, content);
  }

  it('in safetensors', async () => {
    const path = join(folder, 'a.safetensors');
    await writeSafetensors(path, [
      { name: 'x', dtype: 'F32', shape: [64], data: () => new Float32Array(64) },
    ]);
    await expected(path);
    const file = await openSafetensors(path);
    await file.read('x');
    await damage(path);
    await expect(file.read('x')).rejects.toMatchObject(changed);
    await file.close();
  });

  it('in the entries of an archive', async () => {
    const path = join(folder, 'a.npz');
    await writeNpz(path, [
      { name: 'arr_0', dtype: 'u1', shape: [8, 100_000], data: new Uint8Array(800_000) },
    ]);
    await expected(path);
    const file = await NpzFile.open(path);
    const rows = file.rows('arr_0', 1);
    await rows.next();
    await damage(path);
    await expect(
      (async () => {
        for await (const row of rows) expect(row.data.every((value) => value === 0)).toBe(true);
      })(),
    ).rejects.toMatchObject(changed);
    await file.close();
  });

  it('in shards of latents that are too large for memory', async () => {
    const writer = await LatentWriter.open(folder, {
      shape: [2, 2, 1],
      dtype: 'float32',
      classes: ['a'],
      shardSize: 2,
    });
    const sample = { mean: new Float32Array(4), std: new Float32Array(4), label: 0 };
    for (let i = 0; i < 4; i++) await writer.append(i, sample);
    await writer.finish();
    // Not expected by anybody: the index knows what each shard holds.
    const latents = await LatentDataset.open(folder, { memoryLimit: 0 });
    const out = { mean: new Float32Array(8), std: new Float32Array(8) };
    await latents.readBatch([0, 3], out);
    await damage(join(folder, 'latents-00001.safetensors'));
    await latents.readBatch([0, 1], out);
    await expect(latents.readBatch([0, 3], out)).rejects.toMatchObject(changed);
    await latents.close();
  });
});
