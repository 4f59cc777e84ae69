import { indexName, readIndex, type LatentIndex } from './format.js';
import { ShardReader } from './shard-reader.js';

/** Where a batch is read to: `[batch, height, width, channels]` each. */
export interface LatentBatch {
  readonly mean: Float32Array;
  readonly std: Float32Array;
}

export interface LatentDatasetOptions {
  /** Latents are kept in memory when all of them fit in this many bytes; otherwise read when asked for. */
  readonly memoryLimit?: number;
}

/** A complete set of latents with random access. Close it after use. */
export class LatentDataset {
  readonly index: LatentIndex;
  /** Every sample's label. */
  readonly labels: Int32Array;
  /** For each sample 1 when it has a mirrored variant, otherwise 0. */
  readonly hasFlipped: Uint8Array;
  readonly #shards: readonly ShardReader[];

  private constructor(index: LatentIndex, shards: readonly ShardReader[]) {
    this.index = index;
    this.#shards = shards;
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
    { memoryLimit = 2 ** 31 }: LatentDatasetOptions = {},
  ): Promise<LatentDataset> {
    const index = await readIndex<LatentIndex>(directory, indexName);
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
        const [shard, row] = this.#place(index, Boolean(flipped?.[i]));
        const at = (values: Float32Array) => values.subarray(i * elements, (i + 1) * elements);
        await Promise.all([shard.readRow('mean', row, at(out.mean)), shard.readRow('std', row, at(out.std))]);
      }),
    );
  }

  async close(): Promise<void> {
    await Promise.all(this.#shards.map((shard) => shard.close()));
  }

  #place(index: number, isFlipped: boolean): [shard: ShardReader, row: number] {
    const shard = this.#shards[Math.floor(index / this.index.shardSize)];
    const row = index % this.index.shardSize;
    if (!shard || !(index >= 0 && index < this.count)) {
      throw new RangeError(`there is no sample ${index} among ${this.count} latents`);
    }
    const flippedRow = isFlipped ? shard.flippedRows[row]! : -1;
    return [shard, flippedRow >= 0 ? flippedRow : row];
  }
}
