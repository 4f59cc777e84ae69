import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../../errors.js';
import { sha256OfFile } from '../../files/sha256-file.js';
import { elementCount } from '../typed-arrays.js';
import {
  indexName,
  latentStatistics,
  partialIndexName,
  readIndex,
  writeIndex,
  type LatentFormat,
  type LatentIndex,
  type LatentStatistics,
  type PartialIndex,
  type ShardEntry,
} from './format.js';
import { ShardBuffer, type LatentSample } from './shard-buffer.js';

/**
 * Writes latents in shards, holding one shard in memory. After an interruption, opening the same folder keeps
 * the shards that are complete and undamaged; `count` says from which sample to go on.
 */
export class LatentWriter {
  readonly #directory: string;
  readonly #format: LatentFormat;
  readonly #shards: ShardEntry[];
  #buffer: ShardBuffer;

  private constructor(directory: string, format: LatentFormat, shards: ShardEntry[]) {
    this.#directory = directory;
    this.#format = format;
    this.#shards = shards;
    this.#buffer = new ShardBuffer(format);
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
    return this.#shards.reduce((total, { count }) => total + count, this.#buffer.count);
  }

  /**
   * Appends a sample; its arrays may be reused afterwards.
   *
   * @throws UserError `latents-not-finite` when a value is not finite, or too large for the element type.
   */
  async append(sample: LatentSample): Promise<void> {
    for (const posterior of sample.flipped ? [sample, sample.flipped] : [sample]) {
      this.#check(posterior.mean);
      this.#check(posterior.std);
    }
    this.#buffer.push(sample);
    if (this.#buffer.count === this.#format.shardSize) await this.#flush();
  }

  /**
   * Writes what is left and the index: the set is complete.
   *
   * @param normalization what the autoencoder asks for; absent where latents are normalised by their statistics
   */
  async finish(normalization?: LatentStatistics): Promise<LatentIndex> {
    if (this.#buffer.count > 0) await this.#flush();
    const statistics = latentStatistics(this.#shards, this.#format);
    const index: LatentIndex = {
      ...this.#format,
      count: this.count,
      statistics,
      normalization: normalization ?? statistics,
      shards: this.#shards,
    };
    await writeIndex(this.#directory, indexName, index);
    await rm(join(this.#directory, partialIndexName), { force: true });
    return index;
  }

  async #flush(): Promise<void> {
    const buffer = this.#buffer;
    this.#buffer = new ShardBuffer(this.#format);
    this.#shards.push(await buffer.write(this.#directory, this.#shards.length));
    await writeIndex(this.#directory, partialIndexName, { ...this.#format, shards: this.#shards });
  }

  #check(values: Float32Array): void {
    const { shape, dtype } = this.#format;
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
  for (const shard of partial.shards) {
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
