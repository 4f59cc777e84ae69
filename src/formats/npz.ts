import { UserError } from '../base/errors.js';
import type { FileSeal } from '../base/output-file.js';
import { refuseForeign } from './foreign-file.js';
import {
  decodeNpy,
  decodeNpyHeader,
  encodeNpyHeader,
  type NpyArray,
  npyArrayTypes,
  type NpyDtype,
  type NpyHeader,
} from './npy.js';
import { bytesOf, elementCount, type TypedArray } from './typed-arrays.js';
import { ZipArchive } from './zip-reader.js';
import { writeZip, type ZipEntrySource } from './zip-writer.js';

/**
 * An array to write. `data` may be a function, called when its turn comes, that gives the elements in parts: only one
 * part is held at a time.
 */
export interface NpyArraySource {
  readonly name: string;
  readonly dtype: NpyDtype;
  readonly shape: readonly number[];
  readonly data: TypedArray | (() => Iterable<TypedArray> | AsyncIterable<TypedArray>);
}

/** Writes arrays as NumPy's `savez` does (uncompressed), whole or not at all. A lone array is by custom `arr_0`. */
export function writeNpz(path: string, arrays: Iterable<NpyArraySource>): Promise<FileSeal> {
  return writeZip(path, Array.from(arrays, entryOf));
}

function entryOf({ name, dtype, shape, data }: NpyArraySource): ZipEntrySource {
  const header = encodeNpyHeader(dtype, shape);
  const ArrayType = npyArrayTypes[dtype];
  return {
    name: `${name}.npy`,
    bytes: header.byteLength + elementCount(shape) * ArrayType.BYTES_PER_ELEMENT,
    content: async function* () {
      yield header;
      for await (const part of typeof data === 'function' ? data() : [data]) {
        if (!(part instanceof ArrayType)) throw new TypeError(`array "${name}" needs ${ArrayType.name}s`);
        yield bytesOf(part);
      }
    },
  };
}

/** An open `.npz` file. Close it after use. */
export class NpzFile {
  private readonly archive: ZipArchive;

  private constructor(archive: ZipArchive) {
    this.archive = archive;
  }

  /** @throws UserError `file-missing`, `file-foreign` or `zip-invalid`. */
  static async open(path: string): Promise<NpzFile> {
    await refuseForeign(path);
    return new NpzFile(await ZipArchive.open(path));
  }

  /** SHA-256 of the whole file. */
  sha256(): Promise<string> {
    return this.archive.sha256();
  }

  /** Names of the arrays. */
  get names(): readonly string[] {
    return this.archive.names.filter((name) => name.endsWith(extension)).map((name) => name.slice(0, -4));
  }

  /** @throws UserError `npy-invalid`, or `zip-invalid` when there is no such array or it is damaged. */
  async read(name: string): Promise<NpyArray> {
    const entry = `${name}${extension}`;
    await this.headerOf(entry);
    return decodeNpy(await this.archive.read(entry), `${this.archive.path}: ${entry}`);
  }

  /** Element type and shape of an array. @throws UserError as `read` */
  async header(name: string): Promise<Pick<NpyArray, 'dtype' | 'shape'>> {
    const { dtype, shape } = await this.headerOf(`${name}${extension}`);
    return { dtype, shape };
  }

  /**
   * Reads an array of bytes along its first axis, some rows at a time.
   *
   * @param skip rows to leave out at the beginning
   * @throws UserError as `read`; `npy-invalid` also for elements that are no bytes
   */
  async *rows(name: string, rowsAtOnce: number, skip = 0): AsyncGenerator<NpyArray, void> {
    const entry = `${name}${extension}`;
    const label = `${this.archive.path}: ${entry}`;
    const { dtype, shape, dataStart } = await this.headerOf(entry);
    if (dtype !== 'u1') throw notBytes(label, dtype);
    const rowBytes = elementCount(shape.slice(1));
    if (rowBytes === 0) return;
    let left = shape[0] ?? 0;
    let held: Uint8Array[] = [];
    let heldBytes = -dataStart;
    let toSkip = dataStart;
    for await (const chunk of this.archive.stream(entry)) {
      const part = chunk.subarray(Math.min(toSkip, chunk.length));
      toSkip -= chunk.length - part.length;
      held.push(part);
      heldBytes += chunk.length;
      let rows = Math.min(rowsAtOnce, left);
      while (rows > 0 && heldBytes >= rows * rowBytes) {
        const all = Buffer.concat(held);
        const data = new Uint8Array(all.subarray(0, rows * rowBytes));
        held = [all.subarray(rows * rowBytes)];
        heldBytes -= rows * rowBytes;
        left -= rows;
        const unwanted = Math.min(skip, rows);
        skip -= unwanted;
        if (unwanted < rows)
          yield {
            dtype,
            shape: [rows - unwanted, ...shape.slice(1)],
            data: data.subarray(unwanted * rowBytes),
          };
        rows = Math.min(rowsAtOnce, left);
      }
    }
    if (left > 0) throw cutOff(label, left);
  }

  private async headerOf(entry: string): Promise<NpyHeader> {
    const all = this.archive.bytes(entry) ?? 0;
    const label = `${this.archive.path}: ${entry}`;
    const header = decodeNpyHeader(await this.archive.readStart(entry, Math.min(all, headerBytes)), label);
    const bytes = elementCount(header.shape) * npyArrayTypes[header.dtype].BYTES_PER_ELEMENT;
    if (all - header.dataStart !== bytes) throw wrongSize(label, bytes, all - header.dataStart);
    return header;
  }

  close(): Promise<void> {
    return this.archive.close();
  }
}

const extension = '.npy';

/** More than any header has. */
const headerBytes = 65_536;

function notBytes(label: string, dtype: string): UserError {
  return new UserError({
    code: 'npy-invalid',
    message: `${label}: bytes (uint8) are expected; its elements are ${dtype}.`,
    remedy: 'Write images as integers from 0 to 255: images.astype(numpy.uint8).',
  });
}

function cutOff(label: string, rows: number): UserError {
  return new UserError({
    code: 'npy-invalid',
    message: `${label}: its last ${rows} rows are missing.`,
    remedy: 'Write or copy the file again.',
  });
}

function wrongSize(label: string, expected: number, found: number): UserError {
  return new UserError({
    code: 'npy-invalid',
    message: `${label}: it should have ${expected} bytes of elements, but has ${found}.`,
    remedy: 'Write or copy the file again.',
  });
}
