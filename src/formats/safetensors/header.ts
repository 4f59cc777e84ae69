import { UserError } from '../../base/errors.js';
import { isMap } from '../../base/is-map.js';
import { elementCount, type TypedArray, type TypedArrayConstructor } from '../typed-arrays.js';

/** A tensor's place in the file, `begin` counted from the file's start. */
export interface PlacedTensor extends TensorInfo {
  readonly begin: number;
}

export interface Header {
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, PlacedTensor>;
}

/** Bytes before the header: its length. */
export const prefixBytes = 8;

/**
 * Reads and checks a header: every tensor has a known type, its bytes match its shape, and the tensors fill
 * the file from the header's end to the file's, without gaps or overlaps.
 *
 * @param text the header's JSON.
 * @param dataStart where the header ends, counted from the file's start.
 * @throws UserError `safetensors-invalid`, naming the path, the tensor and what is wrong.
 */
export function parseHeader(text: string, dataStart: number, fileBytes: number, path: string): Header {
  const json = parseObject(text, path);
  const twice = duplicateKey(text);
  if (twice !== undefined) throw invalid(path, `its header names "${twice}" twice`);
  const { __metadata__: metadata = {}, ...entries } = json;
  const tensors = new Map(
    Object.entries(entries).map(([name, entry]) => [name, checkEntry(name, entry, dataStart, path)]),
  );
  checkCoverage(tensors, dataStart, fileBytes, path);
  return { metadata: checkMetadata(metadata, path), tensors };
}

/** The error of a file that is not what its format asks for. */
export function invalid(path: string, problem: string, cause?: unknown): UserError {
  return new UserError({
    code: 'safetensors-invalid',
    message: `${path}: not a valid safetensors file: ${problem}.`,
    remedy: 'Copy, download or export the file again.',
    cause,
  });
}

function parseObject(text: string, path: string): Record<string, unknown> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw invalid(path, 'its header is not JSON', cause);
  }
  if (!isMap(json)) throw invalid(path, 'its header is not a JSON object');
  return json;
}

function checkMetadata(metadata: unknown, path: string): Record<string, string> {
  if (!isMap(metadata) || !Object.values(metadata).every((value) => typeof value === 'string')) {
    throw invalid(path, 'its "__metadata__" is not an object of strings');
  }
  return metadata as Record<string, string>;
}

function checkEntry(name: string, entry: unknown, dataStart: number, path: string): PlacedTensor {
  if (!isMap(entry)) throw invalid(path, `the entry of tensor "${name}" is not an object`);
  const { dtype, shape, data_offsets: offsets } = entry;
  if (!isSafetensorsDtype(dtype)) {
    throw invalid(path, `tensor "${name}" has the unknown element type ${written(dtype)}`);
  }
  if (!isSizes(shape)) throw invalid(path, `tensor "${name}" has the shape ${written(shape)}`);
  if (!isSizes(offsets) || offsets.length !== 2 || offsets[1]! < offsets[0]!) {
    throw invalid(path, `tensor "${name}" has the offsets ${written(offsets)}`);
  }
  const [begin, end] = offsets as [number, number];
  const bytes = elementCount(shape) * elementBytes[dtype];
  if (bytes !== end - begin) {
    throw invalid(path, `tensor "${name}" needs ${bytes} bytes for its shape, but has ${end - begin}`);
  }
  return { dtype, shape, bytes, begin: dataStart + begin };
}

function checkCoverage(
  tensors: ReadonlyMap<string, PlacedTensor>,
  dataStart: number,
  fileBytes: number,
  path: string,
): void {
  let end = dataStart;
  const inOrder = [...tensors].sort(([, a], [, b]) => a.begin - b.begin || a.bytes - b.bytes);
  for (const [name, { begin, bytes }] of inOrder) {
    if (begin !== end) {
      throw invalid(
        path,
        `tensor "${name}" ${begin < end ? 'overlaps' : 'leaves a gap after'} the one before it`,
      );
    }
    end = begin + bytes;
  }
  if (end > fileBytes) {
    throw invalid(path, `it should have ${end} bytes, but ends after ${fileBytes}: it is incomplete`);
  }
  if (end < fileBytes) throw invalid(path, `${fileBytes - end} bytes follow its last tensor`);
}

/** The beginning of a value's JSON. */
function written(value: unknown): string {
  const text = (JSON.stringify(value) as string | undefined) ?? typeof value;
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

/** Element types of safetensors files that are understood. */
export type SafetensorsDtype =
  | 'F64'
  | 'F32'
  | 'F16'
  | 'BF16'
  | 'F8_E4M3'
  | 'F8_E5M2'
  | 'C64'
  | 'I64'
  | 'I32'
  | 'I16'
  | 'I8'
  | 'U64'
  | 'U32'
  | 'U16'
  | 'U8'
  | 'BOOL';

/** The array that holds each element type: bit patterns for F16, BF16 and F8, two numbers for C64, 0 and 1 for BOOL. */
export const arrayTypes: Readonly<Record<SafetensorsDtype, TypedArrayConstructor>> = {
  F64: Float64Array,
  F32: Float32Array,
  F16: Uint16Array,
  BF16: Uint16Array,
  F8_E4M3: Uint8Array,
  F8_E5M2: Uint8Array,
  C64: Float32Array,
  I64: BigInt64Array,
  I32: Int32Array,
  I16: Int16Array,
  I8: Int8Array,
  U64: BigUint64Array,
  U32: Uint32Array,
  U16: Uint16Array,
  U8: Uint8Array,
  BOOL: Uint8Array,
};

/** Bytes of one element. */
export const elementBytes: Readonly<Record<SafetensorsDtype, number>> = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  F8_E4M3: 1,
  F8_E5M2: 1,
  C64: 8,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
};

/** Entry of one tensor in the header of a safetensors file. */
export interface TensorInfo {
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  readonly bytes: number;
}

/** A tensor in memory: elements in row-major order. */
export interface TensorData {
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  readonly data: TypedArray;
}

function isSafetensorsDtype(name: unknown): name is SafetensorsDtype {
  return typeof name === 'string' && Object.hasOwn(elementBytes, name);
}

/**
 * The first key that the outermost object of a JSON text has twice, which `JSON.parse` would pass over.
 *
 * @param text valid JSON of an object.
 */
function duplicateKey(text: string): string | undefined {
  const seen = new Set<string>();
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === '{' || character === '[') depth++;
    else if (character === '}' || character === ']') depth--;
    else if (character === '"') {
      const end = stringEnd(text, at);
      if (depth === 1 && isKey(text, end)) {
        const key = JSON.parse(text.slice(at, end)) as string;
        if (seen.has(key)) return key;
        seen.add(key);
      }
      at = end - 1;
    }
  }
  return undefined;
}

/** Position past the closing quote of the string that opens at `start`. */
function stringEnd(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}

function isKey(text: string, end: number): boolean {
  let at = end;
  while (/\s/.test(text[at] ?? '')) at++;
  return text[at] === ':';
}
