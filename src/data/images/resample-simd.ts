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
/** Bytes and rows after each part that may be read or written. */
const margin = 16;
const marginRows = 16;
/** Bits of the lower part of a weight. */
const lowerBits = 15;
/** Taps whose lower parts, of 15 bits and times a byte, still add up to less than 2^31. */
const mostTaps = 256;
/** Pairs of taps that a pixel has at least. */
const fewestPairs = 3;

let loaded: Machine | null | undefined;

/** Both passes of resampling, and which comes first. */
export interface Passes {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
  readonly columns: ResampleWeights;
  readonly rows: ResampleWeights;
  /** Column and row of the whole image with which `data` begins. */
  readonly firstColumn: number;
  readonly firstRow: number;
  readonly isRowsFirst: boolean;
}

/**
 * Resamples into `out` with SIMD instructions.
 *
 * @returns false where the processor has none, or the image is too large.
 */
export function resampleFast(passes: Passes, out: Uint8Array): boolean {
  const { data, width, height, columns, rows, firstColumn, firstRow, isRowsFirst } = passes;
  if (Math.max(columns.stride, rows.stride) > mostTaps) return false;
  loaded ??= load();
  if (loaded === null) return false;
  const { memory } = loaded;
  const [outWidth, outHeight] = [columns.starts.length, rows.starts.length];
  const isHere = data.buffer === memory.buffer;
  let end = 0;
  const place = (rowBytes: number, rowCount: number): number => {
    const start = end;
    end = Math.ceil((end + rowBytes * (rowCount + marginRows) + margin) / margin) * margin;
    return start;
  };
  const source = isHere ? data.byteOffset : 0;
  end = source;
  place(width * 3, height);
  const middle = isRowsFirst ? place(width * 3, outHeight) : place(outWidth * 3, height);
  const target = place(outWidth * 3, outHeight);
  // Sixteen rows, as pixels.
  const turned = place(16 * 3, width);
  const shrunk = place(16 * 3, outWidth);
  const ofColumns = tablesOf(columns);
  const ofRows = tablesOf(rows);
  const columnTables = place(ofColumns.bytes.length, 1);
  const rowTables = place(ofRows.bytes.length, 1);
  if (end > mostBytes) return false;
  grow(loaded, end);
  const bytes = new Uint8Array(memory.buffer);
  bytes.set(ofColumns.bytes, columnTables);
  bytes.set(ofRows.bytes, rowTables);
  if (!isHere) bytes.set(data, source);
  const shrinkColumns = (from: number, rowCount: number, to: number): void => {
    const tables = addresses(ofColumns, columnTables, outWidth);
    loaded!.columns(
      from,
      width * 3,
      firstColumn,
      Math.ceil((width * 3) / 8),
      rowCount,
      ...tables,
      outWidth,
      to,
      turned,
      shrunk,
    );
  };
  const shrinkRows = (from: number, rowBytes: number, to: number): void => {
    const tables = addresses(ofRows, rowTables, outHeight);
    loaded!.rows(from - firstRow * rowBytes, rowBytes, ...tables, outHeight, to);
  };
  if (isRowsFirst) {
    shrinkRows(source, width * 3, middle);
    shrinkColumns(middle, outHeight, target);
  } else {
    shrinkColumns(source, height, middle);
    shrinkRows(middle, outWidth * 3, target);
  }
  out.set(bytes.subarray(target, target + 3 * outWidth * outHeight));
  return true;
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

/** Weights as the machine takes them: the first source pixel and the pairs of taps of each target pixel, and its weights. */
interface Tables {
  readonly bytes: Uint8Array;
  /** Bytes of a target pixel's weights: of each pair the upper parts, then the lower parts, 16 bits each. */
  readonly stride: number;
}

const known = new WeakMap<ResampleWeights, Tables>();

function tablesOf(of: ResampleWeights): Tables {
  const found = known.get(of);
  if (found !== undefined) return found;
  const { starts, counts, weights } = of;
  const length = starts.length;
  const pairs = counts.map((taps) => (taps + 1) >> 1);
  const stride = 8 * pairs.reduce((most, each) => Math.max(most, each), fewestPairs);
  const parts = new Int16Array((length * stride) / 2);
  for (let i = 0; i < length; i++)
    for (let k = 0; k < counts[i]!; k++) {
      const weight = weights[i * of.stride + k]!;
      const to = (i * stride) / 2 + (k >> 1) * 4 + (k & 1);
      parts[to] = weight >> lowerBits;
      parts[to + 2] = weight & ((1 << lowerBits) - 1);
    }
  const bytes = new Uint8Array(length * (8 + stride));
  for (const [place, { buffer }] of [
    [0, starts],
    [length * 4, pairs],
    [length * 8, parts],
  ] as const)
    bytes.set(new Uint8Array(buffer), place);
  const tables = { bytes, stride };
  known.set(of, tables);
  return tables;
}

/** Addresses of starts, pairs and weights, and the weights' stride. */
function addresses(
  { stride }: Tables,
  at: number,
  length: number,
): readonly [number, number, number, number] {
  return [at, at + length * 4, at + length * 8, stride];
}

function load(): Machine | null {
  try {
    return new WebAssembly.Instance(new WebAssembly.Module(Buffer.from(machineCode, 'base64'))).exports;
  } catch (error) {
    if (error instanceof Error && error.name === 'CompileError') return null;
    throw error;
  }
}
