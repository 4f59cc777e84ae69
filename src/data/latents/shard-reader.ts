import { join } from 'node:path';
import { UserError } from '../../errors.js';
import { bytesOf } from '../typed-arrays.js';
import { decodeFloat16 } from '../float16.js';
import { openSafetensors, type SafetensorsFile } from '../safetensors/index.js';
import type { LatentFormat, ShardEntry } from './format.js';

/** A finished shard: its labels are in memory, its latents too or else read row by row. */
export class ShardReader {
  readonly labels: Int32Array;
  /** For each sample the row of its mirrored variant, or -1. */
  readonly flippedRows: Int32Array;
  readonly #file: SafetensorsFile;
  readonly #elements: number;
  readonly #isHalf: boolean;
  #loaded: { readonly mean: Uint8Array; readonly std: Uint8Array } | undefined;

  private constructor(
    file: SafetensorsFile,
    labels: Int32Array,
    flippedRows: Int32Array,
    format: LatentFormat,
  ) {
    this.#file = file;
    this.labels = labels;
    this.flippedRows = flippedRows;
    const [height, width, channels] = format.shape;
    this.#elements = height * width * channels;
    this.#isHalf = format.dtype === 'float16';
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
    const [mean, std] = [await this.#file.read('mean'), await this.#file.read('std')];
    this.#loaded = { mean: bytesOf(mean.data), std: bytesOf(std.data) };
    await this.#file.close();
  }

  /** Reads one row of `mean` or `std` as single precision into `out`. */
  async readRow(which: 'mean' | 'std', row: number, out: Float32Array): Promise<void> {
    const bytes = this.#loaded ? this.#slice(this.#loaded[which], row) : await this.#fetch(which, row);
    if (this.#isHalf) decodeFloat16(new Uint16Array(bytes.buffer, bytes.byteOffset, this.#elements), out);
    else out.set(new Float32Array(bytes.buffer, bytes.byteOffset, this.#elements));
  }

  async close(): Promise<void> {
    if (!this.#loaded) await this.#file.close();
  }

  get #rowBytes(): number {
    return this.#elements * (this.#isHalf ? 2 : 4);
  }

  #slice(rows: Uint8Array, row: number): Uint8Array {
    return rows.subarray(row * this.#rowBytes, (row + 1) * this.#rowBytes);
  }

  async #fetch(which: 'mean' | 'std', row: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(this.#rowBytes);
    await this.#file.readRows(which, row, bytes);
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
