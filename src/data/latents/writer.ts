import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../../base/errors.js';
import { sha256OfFile } from '../../base/files.js';
import { writeSafetensors } from '../../formats/safetensors/writer.js';
import { elementCount, encodeFloat16 } from '../../formats/typed-arrays.js';
import {
  indexName,
  type LatentFormat,
  type LatentIndex,
  latentStatistics,
  type LatentStatistics,
  type PartialIndex,
  partialIndexName,
  readIndex,
  type ShardEntry,
  shardName,
  writeIndex,
} from './format.js';

/**
 * Writes latents in shards, holding one shard in memory. After an interruption, opening the same folder keeps
 * the shards that are complete and undamaged; `count` says from which sample to go on.
 */
export class LatentWriter {
  private readonly directory: string;
  private readonly format: LatentFormat;
  private readonly shards: ShardEntry[];
  private buffer: ShardBuffer;

  private constructor(directory: string, format: LatentFormat, shards: ShardEntry[]) {
    this.directory = directory;
    this.format = format;
    this.shards = shards;
    this.buffer = new ShardBuffer(format);
  }

  /** Opens a folder, made when absent. What an interrupted writer of another format left is removed. */
  static async open(directory: string, format: LatentFormat): Promise<LatentWriter> {
    await mkdir(directory, { recursive: true });
    const shards = await intactShards(directory, format);
    const kept = new Set([partialIndexName, ...shards.map(({ file }) => file)]);
    for (const name of await readdir(directory)) {
      if (/^(latents-|index\.)/.test(name) && !kept.has(name)) await rm(join(directory, name));
    }
    return new LatentWriter(directory, format, shards);
  }

  /** Samples appended so far, those of earlier sessions included. */
  get count(): number {
    return this.shards.reduce((total, { count }) => total + count, this.buffer.count);
  }

  /**
   * Appends a sample; its arrays may be reused afterwards.
   *
   * @throws UserError `latents-not-finite` when a value is not finite, or too large for the element type.
   */
  async append(sample: LatentSample): Promise<void> {
    for (const posterior of sample.flipped ? [sample, sample.flipped] : [sample]) {
      this.check(posterior.mean);
      this.check(posterior.std);
    }
    this.buffer.push(sample);
    if (this.buffer.count === this.format.shardSize) await this.flush();
  }

  /**
   * Writes what is left and the index: the set is complete.
   *
   * @param normalization what the autoencoder asks for; absent where latents are normalised by their statistics
   */
  async finish(normalization?: LatentStatistics): Promise<LatentIndex> {
    if (this.buffer.count > 0) await this.flush();
    const statistics = latentStatistics(this.shards, this.format);
    const index: LatentIndex = {
      ...this.format,
      count: this.count,
      statistics,
      normalization: normalization ?? statistics,
      shards: this.shards,
    };
    await writeIndex(this.directory, indexName, index);
    await rm(join(this.directory, partialIndexName), { force: true });
    return index;
  }

  private async flush(): Promise<void> {
    const buffer = this.buffer;
    this.buffer = new ShardBuffer(this.format);
    this.shards.push(await buffer.write(this.directory, this.shards.length));
    await writeIndex(this.directory, partialIndexName, { ...this.format, shards: this.shards });
  }

  private check(values: Float32Array): void {
    const { shape, dtype } = this.format;
    if (values.length !== elementCount(shape)) {
      throw new RangeError(`a latent of shape [${shape.join(', ')}] cannot have ${values.length} values`);
    }
    const largest = dtype === 'float16' ? 65504 : Number.MAX_VALUE;
    const wrong = values.find((value) => !(Math.abs(value) <= largest));
    if (wrong === undefined) return;
    throw new UserError({
      code: 'latents-not-finite',
      message: `Sample ${this.count}: expected latents that fit ${dtype}, found the value ${wrong}.`,
      remedy: Number.isFinite(wrong)
        ? 'Encode with `dtype: float32`.'
        : 'The autoencoder does not work: train it with a lower learning rate.',
    });
  }
}

/** The shards of an interrupted set up to the first that is missing or damaged. */
async function intactShards(directory: string, format: LatentFormat): Promise<ShardEntry[]> {
  const partial = await readIndex<PartialIndex>(directory, partialIndexName).catch(() => undefined);
  if (!partial || !Array.isArray(partial.shards) || !sameFormat(partial, format)) return [];
  const intact: ShardEntry[] = [];
  for (const shard of partial.shards as readonly ShardEntry[]) {
    const isFull = shard.count === format.shardSize;
    if (!isFull || (await sha256OfFile(join(directory, shard.file)).catch(() => undefined)) !== shard.sha256)
      break;
    intact.push(shard);
  }
  return intact;
}

function sameFormat(a: LatentFormat, b: LatentFormat): boolean {
  const key = ({ shape, dtype, classes, shardSize }: LatentFormat) =>
    JSON.stringify([shape, dtype, classes, shardSize]);
  return key(a) === key(b);
}

/** An image's posterior: mean and standard deviation, each `[height, width, channels]`. */
export interface Posterior {
  readonly mean: Float32Array;
  readonly std: Float32Array;
}

/** An encoded image: its label, its posterior, and that of its mirror image where mirroring is allowed. */
export interface LatentSample extends Posterior {
  readonly label: number;
  readonly flipped?: Posterior;
}

type Rows = Uint16Array | Float32Array;

/** The shard that is being filled: rows as they will be stored. */
class ShardBuffer {
  private readonly format: LatentFormat;
  private readonly labels: number[] = [];
  private readonly straight = { mean: [] as Rows[], std: [] as Rows[] };
  private readonly flipped = { mean: [] as Rows[], std: [] as Rows[] };
  /** Place of each sample's mirrored variant among these, or -1. */
  private readonly flippedAt: number[] = [];
  private readonly sums: { first: number[]; second: number[] };

  constructor(format: LatentFormat) {
    this.format = format;
    const zeros = () => new Array<number>(format.shape[2]).fill(0);
    this.sums = { first: zeros(), second: zeros() };
  }

  get count(): number {
    return this.labels.length;
  }

  /** Copies a sample in. */
  push({ label, mean, std, flipped }: LatentSample): void {
    this.labels.push(label);
    this.straight.mean.push(this.stored(mean));
    this.straight.std.push(this.stored(std));
    this.flippedAt.push(flipped ? this.flipped.mean.length : -1);
    if (flipped) {
      this.flipped.mean.push(this.stored(flipped.mean));
      this.flipped.std.push(this.stored(flipped.std));
    }
    this.addToSums(mean, std);
  }

  /** Writes the shard: tensors `mean` and `std` (straight rows, then mirrored ones), `label`, `flippedRow`. */
  async write(directory: string, number: number): Promise<ShardEntry> {
    const { dtype, shape } = this.format;
    const rows = this.count + this.flipped.mean.length;
    const values = (which: 'mean' | 'std') => ({
      name: which,
      dtype: dtype === 'float16' ? ('F16' as const) : ('F32' as const),
      shape: [rows, ...shape],
      data: () => this.joined([...this.straight[which], ...this.flipped[which]]),
    });
    const integers = (name: string, data: readonly number[]) => ({
      name,
      dtype: 'I32' as const,
      shape: [this.count],
      data: Int32Array.from(data),
    });
    const flippedRow = this.flippedAt.map((at) => (at < 0 ? -1 : this.count + at));
    const file = shardName(number);
    const seal = await writeSafetensors(join(directory, file), [
      values('mean'),
      values('std'),
      integers('label', this.labels),
      integers('flippedRow', flippedRow),
    ]);
    return { file, count: this.count, flipped: rows - this.count, ...seal, sums: this.sums };
  }

  private stored(values: Float32Array): Rows {
    return this.format.dtype === 'float16' ? encodeFloat16(values) : values.slice();
  }

  private joined(rows: readonly Rows[]): Rows {
    const [height, width, channels] = this.format.shape;
    const elements = height * width * channels;
    const out = new (this.format.dtype === 'float16' ? Uint16Array : Float32Array)(rows.length * elements);
    rows.forEach((row, i) => {
      out.set(row, i * elements);
    });
    return out;
  }

  private addToSums(mean: Float32Array, std: Float32Array): void {
    const { first, second } = this.sums;
    const channels = first.length;
    for (let i = 0; i < mean.length; i++) {
      const channel = i % channels;
      first[channel]! += mean[i]!;
      second[channel]! += mean[i]! ** 2 + std[i]! ** 2;
    }
  }
}
