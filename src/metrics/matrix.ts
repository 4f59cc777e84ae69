import { UserError } from '../errors.js';

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

/**
 * Rows over `data` (not copied). Throws where it does not hold whole rows.
 *
 * @throws UserError `features-not-finite`: every figure of them would be NaN
 */
export function rowsOf(width: number, data: Rows['data']): Rows {
  if (data.length % width !== 0) throw new RangeError(`${data.length} numbers are no rows of ${width}.`);
  const wrong = data.findIndex((value) => !Number.isFinite(value));
  if (wrong >= 0)
    throw new UserError({
      code: 'features-not-finite',
      message: `Row ${Math.floor(wrong / width)} of the features holds ${data[wrong]!}: nothing can be compared with it.`,
      remedy: 'Find out which network or which images give no finite numbers.',
    });
  return { count: data.length / width, width, data };
}
