import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../../base/errors.js';
import { sha256OfFile } from '../../base/files.js';
import { tellDamaged } from '../../base/sealed.js';
import { writeSafetensors } from '../../formats/safetensors/writer.js';
import { elementCount, encodeFloat16 } from '../../formats/typed-arrays.js';
import { ShardReader } from './dataset.js';
import {
  indexName,
  latentStatistics,
  partialIndexOf,
  pieceName,
  placeOf,
  readIndex,
  shardName,
  writeIndex,
} from './format.js';
import type { LatentFormat, LatentIndex, LatentStatistics, PartialIndex, ShardEntry } from './format.js';

/** Samples from `first` to before `end`. */
export interface SampleRange {
  readonly first: number;
  readonly end: number;
}

/** A file of samples that has been written: a shard, or a piece of one. */
interface Part extends SampleRange {
  readonly entry: ShardEntry;
}

/**
 * Writes latents in shards, holding one shard in memory. Several writers may write shares of one set at the same time. A
 * share may begin or end within a shard: its writer leaves a piece, and who finishes the set joins the pieces. After an
 * interruption, opening the same folder keeps what is complete and undamaged, whoever wrote it.
 */
export class LatentWriter {
  private buffer: ShardBuffer | undefined;

  private constructor(
    private readonly directory: string,
    private readonly format: LatentFormat,
    private readonly share: SampleRange,
    private readonly shards: Map<number, Part>,
    private readonly pieces: Part[],
  ) {}

  /**
   * Opens a folder, made when absent.
   *
   * @param share the samples that this writer appends; by default all, however many there are
   */
  static async open(
    directory: string,
    format: LatentFormat,
    share: SampleRange = { first: 0, end: Infinity },
  ): Promise<LatentWriter> {
    await mkdir(directory, { recursive: true });
    const parts = await intactParts(directory, format, share);
    const isWhole = ({ entry }: Part) => !isPiece(entry.file);
    const shards = new Map(parts.filter(isWhole).map((part) => [shardOf(part.first, format), part]));
    const pieces = parts.filter((part) => !isWhole(part)).sort((a, b) => a.first - b.first);
    return new LatentWriter(directory, format, share, shards, pieces);
  }

  /** True when a sample need not be appended any more. */
  has(sample: number): boolean {
    const isIn = ({ first, end }: SampleRange) => sample >= first && sample < end;
    const shard = this.shards.get(shardOf(sample, this.format));
    return (
      (shard !== undefined && isIn(shard)) || this.pieces.some(isIn) || (this.buffer?.has(sample) ?? false)
    );
  }

  /**
   * Appends a sample; its arrays may be reused afterwards. Samples come in their order, those that are there left out.
   *
   * @throws UserError `latents-not-finite` when a value is not finite, or too large for the element type.
   */
  async append(sample: number, latent: LatentSample): Promise<void> {
    for (const posterior of latent.flipped ? [latent, latent.flipped] : [latent])
      this.check(sample, posterior);
    if (this.buffer !== undefined && this.buffer.end !== sample) await this.flush();
    this.buffer ??= this.bufferAt(sample);
    this.buffer.push(latent);
    if (this.buffer.end % this.format.shardSize === 0) await this.flush();
  }

  /** Writes what is left of the share. */
  async endShare(): Promise<void> {
    await this.flush();
  }

  /**
   * Writes what is left, joins pieces and writes the index: the set is complete.
   *
   * @param normalization what the autoencoder asks for; absent where latents are normalised by their statistics
   */
  async finish(normalization?: LatentStatistics): Promise<LatentIndex> {
    await this.flush();
    for (const number of new Set(this.pieces.map(({ first }) => shardOf(first, this.format))))
      if (!this.shards.has(number)) await this.join(number);
    const shards = [...this.shards].sort(([a], [b]) => a - b).map(([, { entry }]) => entry);
    const statistics = latentStatistics(shards, this.format);
    const index: LatentIndex = {
      ...this.format,
      count: shards.reduce((total, { count }) => total + count, 0),
      statistics,
      normalization: normalization ?? statistics,
      shards,
    };
    await writeIndex(this.directory, indexName, index);
    const kept = new Set([indexName, ...shards.map(({ file }) => file)]);
    for (const name of await readdir(this.directory))
      if (/^(?:latents-|index\.)/.test(name) && !kept.has(name)) await rm(join(this.directory, name));
    return index;
  }

  /** A buffer for a whole shard, where this writer appends all of it; otherwise for a piece. */
  private bufferAt(first: number): ShardBuffer {
    const { shardSize } = this.format;
    const end = first + shardSize;
    const isWhole =
      first % shardSize === 0 &&
      end <= this.share.end &&
      !this.pieces.some((piece) => piece.first < end && piece.end > first);
    return isWhole
      ? new ShardBuffer(this.format, first, shardName(first / shardSize))
      : new ShardBuffer(
          { ...this.format, dtype: 'float32' },
          first,
          pieceName(shardOf(first, this.format), first),
        );
  }

  private async flush(): Promise<void> {
    const { buffer } = this;
    if (buffer === undefined) return;
    this.buffer = undefined;
    await this.write(buffer);
  }

  private async write(buffer: ShardBuffer): Promise<void> {
    const entry = await buffer.write(this.directory);
    await writeIndex(this.directory, partialIndexOf(entry.file), { ...this.format, shards: [entry] });
    const { first, end } = buffer;
    if (isPiece(entry.file)) this.pieces.push({ first, end, entry });
    else this.shards.set(shardOf(first, this.format), { first, end, entry });
  }

  /** Writes a shard from its pieces, which together hold all of its samples. */
  private async join(number: number): Promise<void> {
    const { shardSize } = this.format;
    const first = number * shardSize;
    const whole = new ShardBuffer(this.format, first, shardName(number));
    const pieces = this.pieces.filter((piece) => shardOf(piece.first, this.format) === number);
    for (const piece of pieces.sort((a, b) => a.first - b.first)) {
      const reader = await ShardReader.open(this.directory, piece.entry, {
        ...this.format,
        dtype: 'float32',
      });
      try {
        for (let sample = whole.end; sample < piece.end; sample++)
          whole.push(await latentOf(reader, sample - piece.first, elementCount(this.format.shape)));
      } finally {
        await reader.close();
      }
    }
    await this.write(whole);
  }

  private check(sample: number, { mean, std }: Posterior): void {
    const { shape, dtype } = this.format;
    for (const values of [mean, std]) {
      if (values.length !== elementCount(shape))
        throw new RangeError(`a latent of shape [${shape.join(', ')}] cannot have ${values.length} values`);
      const largest = dtype === 'float16' ? 65504 : Number.MAX_VALUE;
      const wrong = values.find((value) => !(Math.abs(value) <= largest));
      if (wrong === undefined) continue;
      throw new UserError({
        code: 'latents-not-finite',
        message: `Sample ${sample}: expected latents that fit ${dtype}, found the value ${wrong}.`,
        remedy: Number.isFinite(wrong)
          ? 'Encode with `dtype: float32`.'
          : 'The autoencoder does not work: train it with a lower learning rate.',
      });
    }
  }
}

const shardOf = (sample: number, { shardSize }: LatentFormat): number => Math.floor(sample / shardSize);

const isPiece = (file: string): boolean => placeOf(file)?.first !== undefined;

/** The parts of an interrupted set that are undamaged and hold samples of the share. */
async function intactParts(directory: string, format: LatentFormat, share: SampleRange): Promise<Part[]> {
  const intact: Part[] = [];
  for (const name of (await readdir(directory)).sort()) {
    const place = placeOf(name);
    if (place === undefined) continue;
    const partial = await readIndex<PartialIndex>(directory, partialIndexOf(name)).catch((error: unknown) => {
      const { code, cause } = error as UserError;
      // A shard is written before its index.
      if (code !== 'file-missing')
        tellDamaged(join(directory, partialIndexOf(name)), cause ?? error, madeAgain);
      return undefined;
    });
    const entry = partial?.shards[0];
    if (!partial || entry?.file !== name || !sameFormat(partial, format)) continue;
    const first = place.first ?? place.shard * format.shardSize;
    const part = { first, end: first + entry.count, entry };
    if (part.end <= share.first || part.first >= share.end) continue;
    // A last shard that is not full may have been another's end, so that more samples would follow.
    if (place.first === undefined && entry.count < format.shardSize) continue;
    const sha256 = await sha256OfFile(join(directory, name)).catch(() => undefined);
    if (sha256 === entry.sha256) intact.push(part);
    else tellDamaged(join(directory, name), 'it is not what was written', madeAgain);
  }
  return intact;
}

const madeAgain = 'its latents are encoded again';

function sameFormat(a: LatentFormat, b: LatentFormat): boolean {
  const key = ({ shape, dtype, classes, shardSize }: LatentFormat) =>
    JSON.stringify([shape, dtype, classes, shardSize]);
  return key(a) === key(b);
}

/** A sample of a piece. */
async function latentOf(reader: ShardReader, row: number, elements: number): Promise<LatentSample> {
  const posterior = async (at: number): Promise<Posterior> => {
    const [mean, std] = [new Float32Array(elements), new Float32Array(elements)];
    await reader.readRow('mean', at, mean);
    await reader.readRow('std', at, std);
    return { mean, std };
  };
  const flippedRow = reader.flippedRows[row]!;
  return {
    label: reader.labels[row]!,
    ...(await posterior(row)),
    ...(flippedRow >= 0 && { flipped: await posterior(flippedRow) }),
  };
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

/** A shard, or a piece of one, that is being filled: rows as they will be stored. */
class ShardBuffer {
  private readonly labels: number[] = [];
  private readonly straight = { mean: [] as Rows[], std: [] as Rows[] };
  private readonly flipped = { mean: [] as Rows[], std: [] as Rows[] };
  /** Place of each sample's mirrored variant among these, or -1. */
  private readonly flippedAt: number[] = [];
  private readonly sums: { first: number[]; second: number[] };

  /** @param first number of its first sample */
  constructor(
    private readonly format: LatentFormat,
    readonly first: number,
    private readonly file: string,
  ) {
    const zeros = () => new Array<number>(format.shape[2]).fill(0);
    this.sums = { first: zeros(), second: zeros() };
  }

  /** Number of the sample that comes next. */
  get end(): number {
    return this.first + this.labels.length;
  }

  has(sample: number): boolean {
    return sample >= this.first && sample < this.end;
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
  async write(directory: string): Promise<ShardEntry> {
    const { dtype, shape } = this.format;
    const count = this.labels.length;
    const rows = count + this.flipped.mean.length;
    const values = (which: 'mean' | 'std') => ({
      name: which,
      dtype: dtype === 'float16' ? ('F16' as const) : ('F32' as const),
      shape: [rows, ...shape],
      data: () => this.joined([...this.straight[which], ...this.flipped[which]]),
    });
    const integers = (name: string, data: readonly number[]) => ({
      name,
      dtype: 'I32' as const,
      shape: [count],
      data: Int32Array.from(data),
    });
    const flippedRow = this.flippedAt.map((at) => (at < 0 ? -1 : count + at));
    const { file } = this;
    const seal = await writeSafetensors(join(directory, file), [
      values('mean'),
      values('std'),
      integers('label', this.labels),
      integers('flippedRow', flippedRow),
    ]);
    return { file, count, flipped: rows - count, ...seal, sums: this.sums };
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
