import { UserError } from '../../base/errors.js';
import { asUserError } from '../../base/files.js';
import { InputFile } from '../../base/input-file.js';
import { decodeBfloat16, decodeFloat16 } from '../typed-arrays.js';
import { arrayTypes, invalid, parseHeader, prefixBytes } from './header.js';
import { largestHeader } from './shard-index.js';
import type { Header, PlacedTensor, TensorData, TensorInfo } from './header.js';

/** An open safetensors file: its header is in memory, tensors are read when asked for. Close it after use. */
export class SafetensorsFile {
  private readonly file: InputFile;
  private readonly header: Header;

  constructor(file: InputFile, header: Header) {
    this.file = file;
    this.header = header;
  }

  get path(): string {
    return this.file.path;
  }

  /** SHA-256 of the whole file. */
  sha256(): Promise<string> {
    return this.file.sha256();
  }

  get metadata(): Readonly<Record<string, string>> {
    return this.header.metadata;
  }

  /** Every tensor by name, in the header's order. */
  get tensors(): ReadonlyMap<string, TensorInfo> {
    return this.header.tensors;
  }

  /**
   * Reads a tensor; F16 and BF16 come as bit patterns.
   *
   * @throws UserError `tensor-missing` when the file has no tensor of that name.
   */
  async read(name: string): Promise<TensorData> {
    const { dtype, shape, bytes, begin } = this.find(name);
    const buffer = new ArrayBuffer(bytes);
    await this.file.read(new Uint8Array(buffer), begin);
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
    const { shape, bytes, begin } = this.find(name);
    const position = row * (bytes / (shape[0] ?? 1));
    if (position + out.byteLength > bytes) {
      throw new RangeError(`rows from ${row} on of tensor "${name}" in ${this.path}: past its end`);
    }
    await this.file.read(out, begin + position);
  }

  close(): Promise<void> {
    return this.file.close();
  }

  private find(name: string): PlacedTensor {
    const tensor = this.header.tensors.get(name);
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
 * @throws UserError `file-missing`, `permission-denied`, `input-changed`, or `safetensors-invalid` saying what is wrong.
 */
export async function openSafetensors(path: string): Promise<SafetensorsFile> {
  const file = await InputFile.open(path);
  try {
    return new SafetensorsFile(file, await readHeader(file));
  } catch (error) {
    await file.close();
    throw asUserError(error, path);
  }
}

async function readHeader(file: InputFile): Promise<Header> {
  const { path, bytes: size } = file;
  if (size < prefixBytes) throw invalid(path, `it has only ${size} bytes`);
  const prefix = Buffer.alloc(prefixBytes);
  await file.read(prefix, 0);
  const length = Number(prefix.readBigUInt64LE());
  if (length > largestHeader || length > size - prefixBytes) {
    throw invalid(path, `its first 8 bytes announce a header of ${length} bytes`);
  }
  const text = Buffer.alloc(length);
  await file.read(text, prefixBytes);
  return parseHeader(text.toString('utf8'), prefixBytes + length, size, path);
}

/**
 * A tensor's floating-point numbers as single precision.
 *
 * @throws UserError `tensor-type` when its elements are integers.
 */
export function toFloat32({ dtype, data }: TensorData, name: string, path: string): Float32Array {
  switch (dtype) {
    case 'F32':
      return data as Float32Array;
    case 'F64':
      return Float32Array.from(data as Float64Array);
    case 'F16':
      return decodeFloat16(data as Uint16Array);
    case 'BF16':
      return decodeBfloat16(data as Uint16Array);
    case 'F8_E5M2':
      // The first byte of a half.
      return decodeFloat16(Uint16Array.from(data as Uint8Array, (bits) => bits << 8));
    case 'F8_E4M3':
      return Float32Array.from(data as Uint8Array, decodeFloat8);
    default:
      throw new UserError({
        code: 'tensor-type',
        message: `${path}: tensor "${name}" was expected to hold floating-point numbers, but holds ${dtype}.`,
      });
  }
}

/** Sign, four bits of exponent (bias 7), three of mantissa; all ones are not a number, and there is no infinity. */
function decodeFloat8(bits: number): number {
  const exponent = (bits >> 3) & 15;
  const mantissa = bits & 7;
  if (exponent === 15 && mantissa === 7) return NaN;
  const magnitude = exponent === 0 ? mantissa * 2 ** -9 : (8 + mantissa) * 2 ** (exponent - 10);
  return bits & 0x80 ? -magnitude : magnitude;
}
