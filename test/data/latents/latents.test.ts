import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { LatentDataset } from '../../../src/data/latents/dataset.js';
import type { LatentFormat } from '../../../src/data/latents/format.js';
import { type LatentSample, LatentWriter } from '../../../src/data/latents/writer.js';
import { toldOfDamage } from '../../support/told-of-damage.js';

const format: LatentFormat = { shape: [2, 1, 3], dtype: 'float32', classes: ['cat', 'dog'], shardSize: 4 };

/** Samples whose values tell which they are; every third has a mirrored variant. */
function sample(i: number): LatentSample {
  const values = (offset: number) => Float32Array.from({ length: 6 }, (_, j) => i + offset + j / 8);
  return {
    label: i % 2,
    mean: values(0),
    std: values(100),
    ...(i % 3 === 0 ? { flipped: { mean: values(200), std: values(300) } } : {}),
  };
}

let folder: string;
let directory: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'latents-'));
});
beforeEach(async () => {
  directory = await mkdtemp(join(folder, 'set-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function write(count: number, from = 0, to = count, settings = format): Promise<LatentWriter> {
  const writer = await LatentWriter.open(directory, settings);
  for (let i = from; i < to; i++) if (!writer.has(i)) await writer.append(i, sample(i));
  if (to === count) await writer.finish();
  return writer;
}

async function read(dataset: LatentDataset, indices: number[], flipped?: boolean[]) {
  const size = indices.length * 6;
  const out = { mean: new Float32Array(size), std: new Float32Array(size) };
  await dataset.readBatch(indices, out, flipped);
  return out;
}

describe.each([
  ['in memory', 2 ** 20],
  ['from the disk', 0],
])('reading %s', (_, memoryLimit) => {
  it('gives what was written, straight and mirrored', async () => {
    await write(10);
    const dataset = await LatentDataset.open(directory, { memoryLimit });
    expect(dataset.count).toBe(10);
    expect(dataset.shape).toEqual([2, 1, 3]);
    expect(dataset.classes).toEqual(['cat', 'dog']);
    expect([...dataset.labels]).toEqual([0, 1, 0, 1, 0, 1, 0, 1, 0, 1]);
    expect([...dataset.hasFlipped]).toEqual([1, 0, 0, 1, 0, 0, 1, 0, 0, 1]);
    const batch = await read(dataset, [9, 0, 6, 5, 6], [true, false, true, true, false]);
    const rows = [sample(9).flipped!, sample(0), sample(6).flipped!, sample(5), sample(6)];
    expect(batch.mean).toEqual(Float32Array.from(rows.flatMap(({ mean }) => [...mean])));
    expect(batch.std).toEqual(Float32Array.from(rows.flatMap(({ std }) => [...std])));
    await expect(read(dataset, [10])).rejects.toThrow('there is no sample 10 among 10 latents');
    await dataset.close();
  });

  it('halves the precision where asked to', async () => {
    await write(5, 0, 5, { ...format, dtype: 'float16' });
    const dataset = await LatentDataset.open(directory, { memoryLimit });
    const { mean } = await read(dataset, [4, 3], [false, true]);
    // Ten significant bits: below 256 every value here, a multiple of 1/8, is exact.
    expect([...mean]).toEqual([...sample(4).mean, ...sample(3).flipped!.mean]);
    await dataset.close();
  });
});

it('records the statistics of a latent drawn from the posteriors', async () => {
  await write(10);
  const { index } = await LatentDataset.open(directory);
  for (let channel = 0; channel < 3; channel++) {
    const places = Array.from({ length: 10 }, (_, i) =>
      [0, 3].map((at) => [i, at + channel] as const),
    ).flat();
    const average = (f: (mean: number, std: number) => number) =>
      places.reduce((sum, [i, at]) => sum + f(sample(i).mean[at]!, sample(i).std[at]!), 0) / places.length;
    const mean = average((value) => value);
    expect(index.statistics.mean[channel]).toBeCloseTo(mean, 9);
    const variance = average((value, std) => (value - mean) ** 2 + std ** 2);
    expect(index.statistics.std[channel]).toBeCloseTo(Math.sqrt(variance), 9);
  }
});

const contents = async () =>
  Object.fromEntries(
    await Promise.all(
      (await readdir(directory)).map(
        async (name) => [name, (await readFile(join(directory, name))).toString('base64')] as const,
      ),
    ),
  );

const numbers = (first: number, end: number) => Array.from({ length: end - first }, (_, i) => first + i);

/** Samples of `count` that need not be written again. */
async function kept(count: number, settings = format): Promise<number[]> {
  const writer = await LatentWriter.open(directory, settings);
  return numbers(0, count).filter((i) => writer.has(i));
}

describe('after an interruption', () => {
  it('keeps complete shards and ends with the same bytes', async () => {
    await write(10);
    const uninterrupted = await contents();
    expect(Object.keys(uninterrupted).sort()).toEqual([
      'index.json',
      ...[0, 1, 2].map((i) => `latents-0000${i}.safetensors`),
    ]);
    for (const interruptedAt of [0, 3, 4, 9]) {
      directory = await mkdtemp(join(folder, 'set-'));
      await write(10, 0, interruptedAt);
      await writeFile(join(directory, 'latents-00002.safetensors.partial'), 'half of it');
      expect(await kept(10)).toEqual(numbers(0, interruptedAt - (interruptedAt % 4)));
      await write(10);
      expect(await contents()).toEqual(uninterrupted);
    }
  });

  it('makes damaged shards again, and no others', async () => {
    await write(13, 0, 12);
    await truncate(join(directory, 'latents-00001.safetensors'), 300);
    const { result, told } = await toldOfDamage(() => kept(13));
    expect(result).toEqual([...numbers(0, 4), ...numbers(8, 12)]);
    expect(told).toEqual([expect.stringMatching(/latents-00001\.safetensors is damaged .*encoded again\.$/)]);
  });

  it.each([
    ['a changed number', (text: string) => text.replace(/"first": \[\n *-?[0-9.e-]+/, '"first": [ 7')],
    ['null', () => 'null'],
    ['nothing', () => ''],
  ])('makes shards again whose index is damaged: %s', async (_, change) => {
    await write(13, 0, 12);
    const path = join(directory, 'latents-00001.partial.json');
    const text = await readFile(path, 'utf8');
    expect(change(text)).not.toBe(text);
    await writeFile(path, change(text));
    const { result, told } = await toldOfDamage(() => kept(13));
    expect(result).toEqual([...numbers(0, 4), ...numbers(8, 12)]);
    expect(told).toEqual([expect.stringContaining(`${path} is damaged`)]);
  });

  it('starts over when the format differs', async () => {
    await write(10, 0, 8);
    expect(await kept(10, { ...format, classes: ['dog', 'cat'] })).toEqual([]);
  });
});

describe('in shares', () => {
  const count = 22;
  /** A writer's share of the set, or what is left of it, up to `until`. */
  async function writeShare(first: number, end: number, until = end): Promise<void> {
    const writer = await LatentWriter.open(directory, half, { first, end });
    for (let i = first; i < until; i++) if (!writer.has(i)) await writer.append(i, sample(i));
    if (until === end) await writer.endShare();
  }
  // Rounded numbers: statistics are of those that were encoded, which no piece may lose.
  const half: LatentFormat = { ...format, dtype: 'float16' };

  it.each([
    ['at the ends of shards', [0, 8, 12, count]],
    ['within shards', [0, 3, 13, 15, count]],
    ['of less than a shard', [0, 1, 2, 3, 5, 17, 21, count]],
    ['of which some are empty', [0, 0, 9, 9, count]],
  ])('%s it is written to the same bytes', async (_, ends) => {
    await write(count, 0, count, half);
    const alone = await contents();
    directory = await mkdtemp(join(folder, 'set-'));
    await Promise.all(ends.slice(1).map((end, i) => writeShare(ends[i]!, end)));
    await write(count, 0, count, half);
    expect(await contents()).toEqual(alone);
  });

  it('that were interrupted it is finished by other shares, and by one writer, to the same bytes', async () => {
    await write(count, 0, count, half);
    const alone = await contents();
    directory = await mkdtemp(join(folder, 'set-'));
    await Promise.all([writeShare(0, 7, 6), writeShare(7, 15, 12), writeShare(15, count)]);
    expect(await kept(count, half)).toEqual([...numbers(0, 4), ...numbers(7, 12), ...numbers(15, count)]);
    await truncate(join(directory, 'latents-00001.piece-7.safetensors'), 300);
    await Promise.all([writeShare(0, 11), writeShare(11, count, 14)]);
    await write(count, 0, count, half);
    expect(await contents()).toEqual(alone);
  });
});

describe('refuses', () => {
  it.each([
    [NaN, 'float32', 'found the value NaN.'],
    [1e5, 'float16', 'expected latents that fit float16, found the value 100000.'],
  ] as const)('the value %d as %s', async (value, dtype, message) => {
    const writer = await LatentWriter.open(directory, { ...format, dtype });
    const wrong = { ...sample(1), mean: new Float32Array(6).fill(value) };
    await expect(writer.append(1, wrong)).rejects.toThrow(message);
  });

  it('a folder that holds no complete set', async () => {
    await write(10, 0, 8);
    await expect(LatentDataset.open(directory)).rejects.toMatchObject({ code: 'file-missing' });
    await writeFile(join(directory, 'index.json'), '{}');
    await expect(LatentDataset.open(directory)).rejects.toMatchObject({ code: 'latents-invalid' });
  });

  it('a damaged shard', async () => {
    await write(10);
    const shard = join(directory, 'latents-00001.safetensors');
    await truncate(shard, 200);
    await expect(LatentDataset.open(directory)).rejects.toMatchObject({ code: 'safetensors-invalid' });
    await writeFile(shard, await readFile(join(directory, 'latents-00002.safetensors')));
    await expect(LatentDataset.open(directory)).rejects.toMatchObject({ code: 'latents-damaged' });
  });
});
