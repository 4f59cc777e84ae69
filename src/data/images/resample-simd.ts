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
  const [outWidth, outHeight] = [columns.starts.length, rows.starts.length];
  const between = 3 * (isRowsFirst ? width * outHeight : outWidth * height);
  const bytes = 3 * outWidth * outHeight;
  let end = 0;
  const place = (length: number): number => {
    const start = end;
    end = Math.ceil((end + length + margin) / margin) * margin;
    return start;
  };
  const tables = [columns, rows].map(({ starts, counts, weights }) =>
    [starts, counts, weights].map((table) => place(table.byteLength)),
  );
  const [source, middle, target] = [place(data.length), place(between), place(bytes)];
  if (end > mostBytes) return undefined;
  loaded ??= load();
  if (loaded === null) return undefined;
  const { memory } = loaded;
  if (memory.buffer.byteLength < end) memory.grow(Math.ceil((end - memory.buffer.byteLength) / page));
  const [ofColumns, ofRows] = tables as [number[], number[]];
  for (const [at, { starts, counts, weights }] of [
    [ofColumns, columns],
    [ofRows, { ...rows, starts: rows.starts.map((start) => start - firstRow) }],
  ] as const)
    for (const [i, table] of [starts, counts, weights].entries())
      new Int32Array(memory.buffer, at[i], table.length).set(table);
  new Uint8Array(memory.buffer, source, data.length).set(data);
  const shrinkColumns = (from: number, rowCount: number, to: number): void => {
    loaded!.columns(from, width, rowCount, ...ofColumns, columns.stride * 4, outWidth, to);
  };
  const shrinkRows = (from: number, rowBytes: number, to: number): void => {
    loaded!.rows(from, rowBytes, ...ofRows, rows.stride * 4, outHeight, to);
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

function load(): Machine | null {
  try {
    return new WebAssembly.Instance(new WebAssembly.Module(Buffer.from(machineCode, 'base64'))).exports;
  } catch (error) {
    if (error instanceof Error && error.name === 'CompileError') return null;
    throw error;
  }
}
