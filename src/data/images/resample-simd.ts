import { machineCode } from './resample-code.js';

/** Source pixels that each target pixel is made of and their weights, in fixed point. */
export interface ResampleWeights {
  /** First source pixel, by target pixel. */
  readonly starts: Int32Array;
  /** Number of source pixels, by target pixel. */
  readonly counts: Int32Array;
  /** Weights times 2^22; those of target pixel i start at `i * stride`. */
  readonly weights: Int32Array;
  readonly stride: number;
}

/** The functions of `resample.wat`: numbers are addresses, but for sizes, which are in pixels, bytes or rows. */
interface Machine {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): void };
  columns(...numbers: readonly number[]): void;
  rows(...numbers: readonly number[]): void;
}

declare const WebAssembly: {
  readonly Module: new (code: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: Machine };
};

/** Most memory that a thread keeps for it, as that never shrinks. */
const mostBytes = 2 ** 25;
const page = 2 ** 16;
/** Bytes after each part that may be read or written. */
const margin = 16;
/** Bits of the lower part of a weight. */
const lowerBits = 15;
/** Taps whose lower parts, of 15 bits and times a byte, still add up to less than 2^31. */
const mostTaps = 256;

let loaded: Machine | null | undefined;

/** Both passes of resampling, and which comes first. */
export interface Passes {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
  readonly columns: ResampleWeights;
  readonly rows: ResampleWeights;
  /** Row of the whole image with which `data` begins. */
  readonly firstRow: number;
  readonly isRowsFirst: boolean;
}

/** Resamples with SIMD instructions; nothing where the processor has none, or the image is too large. */
export function resampleFast(passes: Passes): Uint8Array<ArrayBuffer> | undefined {
  const { data, width, height, columns, rows, firstRow, isRowsFirst } = passes;
  if (Math.max(columns.stride, rows.stride) > mostTaps) return undefined;
  const [outWidth, outHeight] = [columns.starts.length, rows.starts.length];
  const between = 3 * (isRowsFirst ? width * outHeight : outWidth * height);
  const bytes = 3 * outWidth * outHeight;
  const isHere = data.buffer === loaded?.memory.buffer;
  let end = 0;
  const place = (length: number): number => {
    const start = end;
    end = Math.ceil((end + length + margin) / margin) * margin;
    return start;
  };
  if (isHere) place(data.byteOffset + data.length + width * 3);
  const [ofColumns, ofRows] = [columns, rows].map(({ starts, stride }) => ({
    starts: place(starts.length * 4),
    pairs: place(starts.length * 4),
    weights: place(starts.length * bytesOf(stride)),
    stride: bytesOf(stride),
  })) as [Tables, Tables];
  // A pair of rows may end with one after the last.
  const source = isHere ? data.byteOffset : place(data.length + width * 3);
  const middle = place(between + outWidth * 3);
  const target = place(bytes);
  if (end > mostBytes) return undefined;
  loaded ??= load();
  if (loaded === null) return undefined;
  const { memory } = loaded;
  grow(loaded, end);
  writeTables(memory.buffer, ofColumns, columns, 0);
  writeTables(memory.buffer, ofRows, rows, firstRow);
  if (!isHere) new Uint8Array(memory.buffer, source, data.length).set(data);
  const shrinkColumns = (from: number, rowCount: number, to: number): void => {
    const { starts, pairs, weights, stride } = ofColumns;
    loaded!.columns(from, width * 3, rowCount, starts, pairs, weights, stride, outWidth * 3, to);
  };
  const shrinkRows = (from: number, rowBytes: number, to: number): void => {
    const { starts, pairs, weights, stride } = ofRows;
    loaded!.rows(from, rowBytes, starts, pairs, weights, stride, outHeight, to);
  };
  if (isRowsFirst) {
    shrinkRows(source, width * 3, middle);
    shrinkColumns(middle, outHeight, target);
  } else {
    shrinkColumns(source, height, middle);
    shrinkRows(middle, outWidth * 3, target);
  }
  return new Uint8Array(memory.buffer, target, bytes).slice();
}

/**
 * Memory for an image that is to be resampled, which then need not be copied: the next on this thread takes its place, and
 * resampling it may be all that can be done with it.
 */
export function resampleMemory(bytes: number): Uint8Array {
  loaded ??= load();
  if (loaded === null || bytes > mostBytes / 2) return new Uint8Array(new ArrayBuffer(bytes));
  grow(loaded, bytes);
  return new Uint8Array(loaded.memory.buffer, 0, bytes);
}

function grow({ memory }: Machine, bytes: number): void {
  const missing = bytes - memory.buffer.byteLength;
  if (missing > 0) memory.grow(Math.ceil(missing / page));
}

/** Addresses of what one pass goes by, and the bytes of a target pixel's weights. */
interface Tables {
  readonly starts: number;
  readonly pairs: number;
  readonly weights: number;
  readonly stride: number;
}

/** Bytes of the weights of `stride` taps: of each pair the upper parts, then the lower parts, 16 bits each. */
function bytesOf(stride: number): number {
  return Math.ceil(stride / 2) * 8;
}

function writeTables(
  memory: ArrayBuffer,
  at: Tables,
  { starts, counts, weights, stride }: ResampleWeights,
  firstSource: number,
): void {
  const length = starts.length;
  const startsTo = new Int32Array(memory, at.starts, length);
  const pairsTo = new Int32Array(memory, at.pairs, length);
  const row = at.stride / 2;
  const parts = new Int16Array(memory, at.weights, length * row);
  parts.fill(0);
  for (let i = 0; i < length; i++) {
    startsTo[i] = starts[i]! - firstSource;
    pairsTo[i] = (counts[i]! + 1) >> 1;
    for (let k = 0; k < counts[i]!; k++) {
      const weight = weights[i * stride + k]!;
      const to = i * row + (k >> 1) * 4 + (k & 1);
      parts[to] = weight >> lowerBits;
      parts[to + 2] = weight & ((1 << lowerBits) - 1);
    }
  }
}

function load(): Machine | null {
  try {
    return new WebAssembly.Instance(new WebAssembly.Module(Buffer.from(machineCode, 'base64'))).exports;
  } catch (error) {
    if (error instanceof Error && error.name === 'CompileError') return null;
    throw error;
  }
}
