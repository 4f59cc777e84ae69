import { join } from 'node:path';
import { UserError } from '../../base/errors.js';
import { openSafetensors, type SafetensorsFile } from '../../formats/safetensors/reader.js';
import { bytesOf, decodeFloat16 } from '../../formats/typed-arrays.js';
import type { Places } from '../../base/patterns.js';
import { ForeignRows } from './foreign-rows.js';
import { indexName, type LatentFormat, type LatentIndex, readIndex, type ShardEntry } from './format.js';

/** Buffers that a batch is read into: `[batch, height, width, channels]` each. */
export interface LatentBatch {
  readonly mean: Float32Array;
  readonly std: Float32Array;
}

interface LatentDatasetOptions {
  /** Latents are kept in memory when all of them fit in this many bytes; otherwise read when asked for. */
  readonly memoryLimit?: number;
  /** Place of the files that hold the latents, where another program wrote them. */
  readonly places?: Places | undefined;
}

/** Rows of latents, straight ones and mirrored ones. */
interface LatentRows {
  readonly labels: Int32Array;
  /** Row of each sample's mirrored variant, or -1. */
  readonly flippedRows: Int32Array;
  readRow(which: 'mean' | 'std', row: number, out: Float32Array): Promise<void>;
  close(): Promise<void>;
}

/** A complete set of latents with random access. Close it after use. */
export class LatentDataset {
  readonly index: LatentIndex;
  /** Every sample's label. */
  readonly labels: Int32Array;
  /** Marks for each sample: 1 when it has a mirrored variant, otherwise 0. */
  readonly hasFlipped: Uint8Array;
  private readonly shards: readonly LatentRows[];

  private constructor(index: LatentIndex, shards: readonly LatentRows[]) {
    this.index = index;
    this.shards = shards;
    this.labels = new Int32Array(index.count);
    this.hasFlipped = new Uint8Array(index.count);
    shards.forEach(({ labels, flippedRows }, shard) => {
      this.labels.set(labels, shard * index.shardSize);
      this.hasFlipped.set(
        flippedRows.map((row) => Number(row >= 0)),
        shard * index.shardSize,
      );
    });
  }

  /** @throws UserError `file-missing`, `latents-invalid`, `latents-damaged` or `safetensors-invalid`. */
  static async open(
    directory: string,
    { memoryLimit = 2 ** 31, places }: LatentDatasetOptions = {},
  ): Promise<LatentDataset> {
    const index = await readIndex<LatentIndex>(directory, indexName);
    if (index.foreign !== undefined) {
      if (places === undefined)
        throw new Error(`${directory} has latents of other files, whose place is not known.`);
      return new LatentDataset(index, [await ForeignRows.open(directory, index.foreign, places)]);
    }
    const shards: ShardReader[] = [];
    try {
      for (const entry of index.shards) shards.push(await ShardReader.open(directory, entry, index));
      const bytes = index.shards.reduce((total, shard) => total + shard.bytes, 0);
      if (bytes <= memoryLimit) for (const shard of shards) await shard.load();
    } catch (error) {
      await Promise.all(shards.map((shard) => shard.close()));
      throw error;
    }
    return new LatentDataset(index, shards);
  }

  get count(): number {
    return this.index.count;
  }

  /** Height, width and channels of one sample. */
  get shape(): readonly [height: number, width: number, channels: number] {
    return this.index.shape;
  }

  get classes(): readonly string[] {
    return this.index.classes;
  }

  /**
   * Reads samples into the beginning of `out`.
   *
   * @param indices samples, in any order, repeats allowed.
   * @param flipped for each, whether to read its mirrored variant; a sample without one is read as it is.
   */
  async readBatch(
    indices: ArrayLike<number>,
    out: LatentBatch,
    flipped?: ArrayLike<boolean | number>,
  ): Promise<void> {
    const [height, width, channels] = this.shape;
    const elements = height * width * channels;
    await Promise.all(
      Array.from(indices, async (index, i) => {
        const [shard, row] = this.place(index, Boolean(flipped?.[i]));
        const at = (values: Float32Array) => values.subarray(i * elements, (i + 1) * elements);
        await Promise.all([shard.readRow('mean', row, at(out.mean)), shard.readRow('std', row, at(out.std))]);
      }),
    );
  }

  async close(): Promise<void> {
    await Promise.all(this.shards.map((shard) => shard.close()));
  }

  private place(index: number, isFlipped: boolean): [shard: LatentRows, row: number] {
    const shard = this.shards[Math.floor(index / this.index.shardSize)];
    const row = index % this.index.shardSize;
    if (!shard || !(index >= 0 && index < this.count)) {
      throw new RangeError(`there is no sample ${index} among ${this.count} latents`);
    }
    const flippedRow = isFlipped ? shard.flippedRows[row]! : -1;
    return [shard, flippedRow >= 0 ? flippedRow : row];
  }
}

/** A finished shard: its labels are in memory, its latents too or else read row by row. */
export class ShardReader {
  readonly labels: Int32Array;
  /** Row of each sample's mirrored variant, or -1. */
  readonly flippedRows: Int32Array;
  private readonly file: SafetensorsFile;
  private readonly elements: number;
  private readonly isHalf: boolean;
  private loaded: { readonly mean: Uint8Array; readonly std: Uint8Array } | undefined;

  private constructor(
    file: SafetensorsFile,
    labels: Int32Array,
    flippedRows: Int32Array,
    format: LatentFormat,
  ) {
    this.file = file;
    this.labels = labels;
    this.flippedRows = flippedRows;
    const [height, width, channels] = format.shape;
    this.elements = height * width * channels;
    this.isHalf = format.dtype === 'float16';
  }

  /** @throws UserError `latents-damaged` when the file is not the one that the index describes. */
  static async open(directory: string, entry: ShardEntry, format: LatentFormat): Promise<ShardReader> {
    const path = join(directory, entry.file);
    const file = await openSafetensors(path);
    const dtype = format.dtype === 'float16' ? 'F16' : 'F32';
    const expected = JSON.stringify([dtype, [entry.count + entry.flipped, ...format.shape]]);
    for (const name of ['mean', 'std']) {
      const found = file.tensors.get(name);
      if (JSON.stringify([found?.dtype, found?.shape]) === expected) continue;
      await file.close();
      throw damaged(path, `its tensor "${name}" is not`);
    }
    if ((await file.sha256()) !== entry.sha256) {
      await file.close();
      throw damaged(path, 'its content is not');
    }
    const labels = (await file.read('label')).data as Int32Array;
    const flippedRows = (await file.read('flippedRow')).data as Int32Array;
    return new ShardReader(file, labels, flippedRows, format);
  }

  /** Keeps every latent of the shard in memory; the file is closed. */
  async load(): Promise<void> {
    const [mean, std] = [await this.file.read('mean'), await this.file.read('std')];
    this.loaded = { mean: bytesOf(mean.data), std: bytesOf(std.data) };
    await this.file.close();
  }

  /** Reads one row of `mean` or `std` as single precision into `out`. */
  async readRow(which: 'mean' | 'std', row: number, out: Float32Array): Promise<void> {
    const bytes = this.loaded ? this.slice(this.loaded[which], row) : await this.fetch(which, row);
    if (this.isHalf) decodeFloat16(new Uint16Array(bytes.buffer, bytes.byteOffset, this.elements), out);
    else out.set(new Float32Array(bytes.buffer, bytes.byteOffset, this.elements));
  }

  async close(): Promise<void> {
    if (!this.loaded) await this.file.close();
  }

  private get rowBytes(): number {
    return this.elements * (this.isHalf ? 2 : 4);
  }

  private slice(rows: Uint8Array, row: number): Uint8Array {
    return rows.subarray(row * this.rowBytes, (row + 1) * this.rowBytes);
  }

  private async fetch(which: 'mean' | 'std', row: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(this.rowBytes);
    await this.file.readRows(which, row, bytes);
    return bytes;
  }
}

function damaged(path: string, what: string): UserError {
  return new UserError({
    code: 'latents-damaged',
    message: `${path}: ${what} the one that the index beside it describes.`,
    remedy: 'Encode the images again.',
  });
}
