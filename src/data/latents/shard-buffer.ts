import { join } from 'node:path';
import { encodeFloat16 } from '../float16.js';
import { writeSafetensors } from '../safetensors/index.js';
import { shardName, type LatentFormat, type ShardEntry } from './format.js';

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
export class ShardBuffer {
  readonly #format: LatentFormat;
  readonly #labels: number[] = [];
  readonly #straight = { mean: [] as Rows[], std: [] as Rows[] };
  readonly #flipped = { mean: [] as Rows[], std: [] as Rows[] };
  /** For each sample, where among the mirrored ones its own is, or -1. */
  readonly #flippedAt: number[] = [];
  readonly #sums: { first: number[]; second: number[] };

  constructor(format: LatentFormat) {
    this.#format = format;
    const zeros = () => new Array<number>(format.shape[2]).fill(0);
    this.#sums = { first: zeros(), second: zeros() };
  }

  get count(): number {
    return this.#labels.length;
  }

  /** Copies a sample in. */
  push({ label, mean, std, flipped }: LatentSample): void {
    this.#labels.push(label);
    this.#straight.mean.push(this.#stored(mean));
    this.#straight.std.push(this.#stored(std));
    this.#flippedAt.push(flipped ? this.#flipped.mean.length : -1);
    if (flipped) {
      this.#flipped.mean.push(this.#stored(flipped.mean));
      this.#flipped.std.push(this.#stored(flipped.std));
    }
    this.#addToSums(mean, std);
  }

  /** Writes the shard: tensors `mean` and `std` (straight rows, then mirrored ones), `label`, `flippedRow`. */
  async write(directory: string, number: number): Promise<ShardEntry> {
    const { dtype, shape } = this.#format;
    const rows = this.count + this.#flipped.mean.length;
    const values = (which: 'mean' | 'std') => ({
      name: which,
      dtype: dtype === 'float16' ? ('F16' as const) : ('F32' as const),
      shape: [rows, ...shape],
      data: () => this.#joined([...this.#straight[which], ...this.#flipped[which]]),
    });
    const integers = (name: string, data: readonly number[]) => ({
      name,
      dtype: 'I32' as const,
      shape: [this.count],
      data: Int32Array.from(data),
    });
    const flippedRow = this.#flippedAt.map((at) => (at < 0 ? -1 : this.count + at));
    const file = shardName(number);
    const seal = await writeSafetensors(join(directory, file), [
      values('mean'),
      values('std'),
      integers('label', this.#labels),
      integers('flippedRow', flippedRow),
    ]);
    return { file, count: this.count, flipped: rows - this.count, ...seal, sums: this.#sums };
  }

  #stored(values: Float32Array): Rows {
    return this.#format.dtype === 'float16' ? encodeFloat16(values) : values.slice();
  }

  #joined(rows: readonly Rows[]): Rows {
    const [height, width, channels] = this.#format.shape;
    const elements = height * width * channels;
    const out = new (this.#format.dtype === 'float16' ? Uint16Array : Float32Array)(rows.length * elements);
    rows.forEach((row, i) => {
      out.set(row, i * elements);
    });
    return out;
  }

  #addToSums(mean: Float32Array, std: Float32Array): void {
    const { first, second } = this.#sums;
    const channels = first.length;
    for (let i = 0; i < mean.length; i++) {
      const channel = i % channels;
      first[channel]! += mean[i]!;
      second[channel]! += mean[i]! ** 2 + std[i]! ** 2;
    }
  }
}
