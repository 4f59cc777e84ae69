/** A square matrix of double precision, row by row. */
export interface SquareMatrix {
  readonly size: number;
  readonly data: Float64Array;
}

/** Rows of numbers of equal length, such as the features of a set of images. */
export interface Rows {
  readonly count: number;
  readonly width: number;
  readonly data: Float64Array | Float32Array;
}

/** Rows over `data` (not copied). Throws where it does not hold whole rows. */
export function rowsOf(width: number, data: Rows['data']): Rows {
  if (data.length % width !== 0) throw new RangeError(`${data.length} numbers are no rows of ${width}.`);
  return { count: data.length / width, width, data };
}
