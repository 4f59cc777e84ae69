import { UserError } from '../base/errors.js';
import type { FileSeal } from '../base/output-file.js';
import { refuseForeign } from './foreign-file.js';
import { bytesOf, elementCount, type TypedArray, type TypedArrayConstructor } from './typed-arrays.js';
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

/** NumPy's names of the element types, little-endian; `f2` is held as bit patterns, `b1` as 0 and 1. */
type NpyDtype = keyof typeof npyArrayTypes;

/** The array that holds each element type. */
const npyArrayTypes = {
  b1: Uint8Array,
  u1: Uint8Array,
  i1: Int8Array,
  u2: Uint16Array,
  i2: Int16Array,
  f2: Uint16Array,
  u4: Uint32Array,
  i4: Int32Array,
  f4: Float32Array,
  u8: BigUint64Array,
  i8: BigInt64Array,
  f8: Float64Array,
} satisfies Record<string, TypedArrayConstructor>;

/** An array in memory: elements in row-major order. */
export interface NpyArray {
  readonly dtype: NpyDtype;
  readonly shape: readonly number[];
  readonly data: TypedArray;
}

/** Encodes the header of a `.npy` file, format version 1.0: it ends at a multiple of 64 bytes. */
function encodeNpyHeader(dtype: NpyDtype, shape: readonly number[]): Uint8Array {
  const order = dtype.endsWith('1') ? '|' : '<';
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
  const text = `{'descr': '${order}${dtype}', 'fortran_order': False, 'shape': ${tuple}, }`;
  const bytes = Math.ceil((fixedBytes + text.length + 1) / 64) * 64;
  const header = Buffer.alloc(bytes, ' ');
  header.write('\x93NUMPY\x01\x00', 0, 'latin1');
  header.writeUInt16LE(bytes - fixedBytes, 8);
  header.write(text, fixedBytes, 'latin1');
  header.write('\n', bytes - 1);
  return header;
}

/**
 * Reads the content of a `.npy` file.
 *
 * @param name what to call it in messages.
 * @throws UserError `npy-invalid`: no such file, big-endian, column-major, or an element type such as objects.
 */
export function decodeNpy(content: Uint8Array, name: string): NpyArray {
  const { dtype, shape, dataStart } = decodeNpyHeader(content, name);
  const ArrayType: TypedArrayConstructor & { BYTES_PER_ELEMENT: number } = npyArrayTypes[dtype];
  const length = elementCount(shape) * ArrayType.BYTES_PER_ELEMENT;
  if (content.length - dataStart !== length) {
    throw invalid(name, `it should have ${length} bytes of elements, but has ${content.length - dataStart}`);
  }
  const copy = new Uint8Array(content.subarray(dataStart));
  return { dtype, shape, data: new ArrayType(copy.buffer) };
}

/** Header of a `.npy` array. */
export interface NpyHeader {
  readonly dtype: NpyDtype;
  readonly shape: readonly number[];
  /** Bytes before the elements. */
  readonly dataStart: number;
}

/**
 * Reads what precedes the elements of a `.npy` file.
 *
 * @param content its beginning: 64 KiB hold every header of practical use
 * @throws UserError `npy-invalid`, as `decodeNpy`
 */
function decodeNpyHeader(content: Uint8Array, name: string): NpyHeader {
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
  if (bytes.toString('latin1', 0, 6) !== '\x93NUMPY') throw invalid(name, 'it is not a NumPy array');
  const isLong = bytes[6]! > 1;
  const start = isLong ? 12 : fixedBytes;
  const dataStart = start + (isLong ? bytes.readUInt32LE(8) : bytes.readUInt16LE(8));
  const header = bytes.toString('latin1', start, dataStart);
  const [, order, type] = /'descr':\s*'([<>|=]?)([a-zA-Z]\d+)'/.exec(header) ?? [];
  const sizes = /'shape':\s*\(([\d, ]*)\)/.exec(header)?.[1];
  if (type === undefined || sizes === undefined || !isNpyDtype(type)) {
    throw invalid(name, `its elements cannot be read: ${header.trim()}`);
  }
  if (order === '>') throw invalid(name, 'it is big-endian');
  const shape = sizes
    .split(',')
    .filter((size) => size.trim() !== '')
    .map(Number);
  if (!shape.every(Number.isSafeInteger) || !Number.isSafeInteger(elementCount(shape)))
    throw invalid(name, `its shape is (${sizes.slice(0, 80)})`);
  if (/'fortran_order':\s*True/.test(header) && shape.length > 1) throw invalid(name, 'it is column-major');
  return { dtype: type, shape, dataStart };
}

/** Bytes before the header's text in format version 1.0. */
const fixedBytes = 10;

function isNpyDtype(name: string): name is NpyDtype {
  return Object.hasOwn(npyArrayTypes, name);
}

function invalid(name: string, problem: string): UserError {
  return new UserError({
    code: 'npy-invalid',
    message: `${name}: ${problem}.`,
    remedy: "Write it with numpy.save or numpy.savez, in the machine's own byte order and row-major.",
  });
}
