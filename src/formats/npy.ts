import { UserError } from '../base/errors.js';
import { elementCount, type TypedArray, type TypedArrayConstructor } from './typed-arrays.js';

/** NumPy's names of the element types, little-endian; `f2` is held as bit patterns, `b1` as 0 and 1. */
export type NpyDtype = keyof typeof npyArrayTypes;

/** The array that holds each element type. */
export const npyArrayTypes = {
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
export function encodeNpyHeader(dtype: NpyDtype, shape: readonly number[]): Uint8Array {
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
export function decodeNpyHeader(content: Uint8Array, name: string): NpyHeader {
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
