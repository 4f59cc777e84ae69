/** Matrices that resample a line or a grid of points: constants of a model, computed once in JavaScript. */

/** A dense matrix, row after row. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float32Array;
}

/**
 * Averages over `to` adaptive windows of a line of `from` points: window i spans
 * [⌊i·from/to⌋, ⌈(i+1)·from/to⌉). Windows overlap where `to` does not divide `from`.
 * Source: PyTorch's AdaptiveAvgPool.
 */
export function adaptivePooling(from: number, to: number): Matrix {
  return build(to, from, (i, set) => {
    const start = Math.floor((i * from) / to);
    const end = Math.ceil(((i + 1) * from) / to);
    for (let j = start; j < end; j++) set(j, 1 / (end - start));
  });
}

/** Linear interpolation from `from` to `to` points with half-pixel centres, as PyTorch's `interpolate` by default. */
export function halfPixelInterpolation(from: number, to: number): Matrix {
  return build(to, from, (i, set) => {
    const position = Math.max(0, ((i + 0.5) * from) / to - 0.5);
    between(position, from, set);
  });
}

/** Linear interpolation from `from` to `to` points that keeps both end points (align corners). */
export function alignedInterpolation(from: number, to: number): Matrix {
  return build(to, from, (i, set) => {
    between(to === 1 ? 0 : (i * (from - 1)) / (to - 1), from, set);
  });
}

/** Resizes a line of points: means of windows to fewer, linear interpolation to more. */
export function resampling(from: number, to: number): Matrix {
  return to < from ? adaptivePooling(from, to) : halfPixelInterpolation(from, to);
}

/**
 * The map of filters over `from` points to filters over `to`: a filter gives for resized points what it gave for the
 * points themselves, or of fewer points as nearly so as can be. For R of `resampling` it is the pseudoinverse of Rᵀ.
 */
export function resampledFilter(from: number, to: number): Matrix {
  const { data } = resampling(from, to);
  const at = (i: number, j: number) => data[i * from + j]!;
  const few = Math.min(from, to);
  // (R Rᵀ)⁻¹ R of a wide R, R (Rᵀ R)⁻¹ of a tall one.
  const short = Array.from({ length: few }, (_, i) =>
    Array.from({ length: Math.max(from, to) }, (_, k) => (to < from ? at(i, k) : at(k, i))),
  );
  const gram = short.map((a) => short.map((b) => a.reduce((sum, value, k) => sum + value * b[k]!, 0)));
  const solved = solve(gram, short);
  return build(to, from, (i, set) => {
    for (let j = 0; j < from; j++) set(j, to < from ? solved[i]![j]! : solved[j]![i]!);
  });
}

/** Solves A·X = B for a positive definite A, by elimination. */
function solve(a: readonly (readonly number[])[], b: readonly (readonly number[])[]): number[][] {
  const rows = a.map((row, i) => [...row, ...b[i]!]);
  for (const [i, pivot] of rows.entries()) {
    const first = pivot[i]!;
    for (const [k, value] of pivot.entries()) pivot[k] = value / first;
    for (const [j, row] of rows.entries()) {
      if (j === i) continue;
      const factor = row[i]!;
      for (const [k, value] of row.entries()) row[k] = value - factor * pivot[k]!;
    }
  }
  return rows.map((row) => row.slice(a.length));
}

/** The matrix that applies `line` along both axes of a square grid, points numbered row after row. */
export function overGrid(line: Matrix): Matrix {
  const { rows, columns, data } = line;
  const data2 = new Float32Array(rows * rows * columns * columns);
  const width = columns * columns;
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < rows; j++)
      for (let k = 0; k < columns; k++)
        for (let l = 0; l < columns; l++)
          data2[(i * rows + j) * width + k * columns + l] = data[i * columns + k]! * data[j * columns + l]!;
  return { rows: rows * rows, columns: width, data: data2 };
}

function between(position: number, points: number, set: (column: number, value: number) => void): void {
  const low = Math.min(Math.floor(position), points - 1);
  const high = Math.min(low + 1, points - 1);
  const part = position - low;
  set(low, 1 - part);
  set(high, part);
}

function build(
  rows: number,
  columns: number,
  row: (i: number, set: (column: number, value: number) => void) => void,
): Matrix {
  const data = new Float32Array(rows * columns);
  for (let i = 0; i < rows; i++) row(i, (column, value) => (data[i * columns + column]! += value));
  return { rows, columns, data };
}
