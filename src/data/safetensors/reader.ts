import { open, type FileHandle } from 'node:fs/promises';
import { UserError } from '../../errors.js';
import { asUserError } from '../../files/file-errors.js';
import { readExactly } from '../../files/read-exactly.js';
import { arrayTypes, type TensorData, type TensorInfo } from './dtypes.js';
import { toFloat32 } from './to-float32.js';
import {
  invalid,
  largestHeader,
  parseHeader,
  prefixBytes,
  type Header,
  type PlacedTensor,
} from './header.js';

/** An open safetensors file: its header is in memory, tensors are read when asked for. Close it after use. */
export class SafetensorsFile {
  readonly path: string;
  readonly #handle: FileHandle;
  readonly #header: Header;

  constructor(path: string, handle: FileHandle, header: Header) {
    this.path = path;
    this.#handle = handle;
    this.#header = header;
  }

  get metadata(): Readonly<Record<string, string>> {
    return this.#header.metadata;
  }

  /** Every tensor by name, in the header's order. */
  get tensors(): ReadonlyMap<string, TensorInfo> {
    return this.#header.tensors;
  }

  /**
   * Reads a tensor; F16 and BF16 come as bit patterns.
   *
   * @throws UserError `tensor-missing` when the file has no tensor of that name.
   */
  async read(name: string): Promise<TensorData> {
    const { dtype, shape, bytes, begin } = this.#find(name);
    const buffer = new ArrayBuffer(bytes);
    await readExactly(this.#handle, new Uint8Array(buffer), begin, this.path);
    return { dtype, shape, data: new arrayTypes[dtype](buffer) };
  }

  /**
   * Reads a tensor of floating-point numbers as single precision.
   *
   * @throws UserError `tensor-missing`, or `tensor-type` when its elements are integers.
   */
  async readFloat32(name: string): Promise<Float32Array> {
    return toFloat32(await this.read(name), name, this.path);
  }

  /**
   * Reads whole rows (the first axis) of a tensor into `out`, as they are in the file.
   *
   * @param row the first row.
   * @param out as many bytes as the rows to read have.
   */
  async readRows(name: string, row: number, out: Uint8Array): Promise<void> {
    const { shape, bytes, begin } = this.#find(name);
    const position = row * (bytes / (shape[0] ?? 1));
    if (position + out.byteLength > bytes) {
      throw new RangeError(`rows from ${row} on of tensor "${name}" in ${this.path}: past its end`);
    }
    await readExactly(this.#handle, out, begin + position, this.path);
  }

  close(): Promise<void> {
    return this.#handle.close();
  }

  #find(name: string): PlacedTensor {
    const tensor = this.#header.tensors.get(name);
    if (tensor) return tensor;
    throw new UserError({
      code: 'tensor-missing',
      message: `${this.path}: expected a tensor "${name}", found none among its ${this.tensors.size}.`,
    });
  }
}

/**
 * Opens a safetensors file and checks its header against the format and the file's size.
 *
 * @throws UserError `file-missing`, `permission-denied`, or `safetensors-invalid` saying what is wrong.
 */
export async function openSafetensors(path: string): Promise<SafetensorsFile> {
  let handle: FileHandle;
  try {
    handle = await open(path, 'r');
  } catch (error) {
    throw asUserError(error, path);
  }
  try {
    return new SafetensorsFile(path, handle, await readHeader(handle, path));
  } catch (error) {
    await handle.close();
    throw asUserError(error, path);
  }
}

async function readHeader(handle: FileHandle, path: string): Promise<Header> {
  const { size } = await handle.stat();
  if (size < prefixBytes) throw invalid(path, `it has only ${size} bytes`);
  const prefix = Buffer.alloc(prefixBytes);
  await readExactly(handle, prefix, 0, path);
  const length = Number(prefix.readBigUInt64LE());
  if (length > largestHeader || length > size - prefixBytes) {
    throw invalid(path, `its first 8 bytes announce a header of ${length} bytes`);
  }
  const text = Buffer.alloc(length);
  await readExactly(handle, text, prefixBytes, path);
  return parseHeader(text.toString('utf8'), prefixBytes + length, size, path);
}
