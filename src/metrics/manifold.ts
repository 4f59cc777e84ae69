import { argumentError } from '../base/errors.js';
import { compile, float32, floats, tf } from '../tensorflow/index.js';
import type { Compiled, RuntimeOptions, Tensor1D, Tensor2D } from '../tensorflow/index.js';
import type { Rows } from './linear-algebra.js';

/** Rows of numbers that are read in portions: too many to be held at once. */
export interface StoredRows {
  readonly count: number;
  readonly width: number;
  /** Rows `first` to `first + count`, one after the other. */
  readonly read: (first: number, count: number) => Promise<Float32Array>;
}

/** Rows of a portion of either side; products of two portions are computed at once. */
const rowsAtOnce = 2048;

type Nearest = Compiled<{ points: Tensor2D; set: Tensor2D }, { nearest: Tensor2D }>;
type Closest = Compiled<{ points: Tensor2D; set: Tensor2D }, { distances: Tensor2D; indices: Tensor2D }>;
type Within = Compiled<{ points: Tensor2D; set: Tensor2D; radii: Tensor1D }, { within: Tensor1D }>;

/**
 * Precision and recall of sets of any size, their distances computed in float32 portion by portion, as the ADM
 * evaluator does.
 *
 * Source: Kynkäänniemi et al., "Improved precision and recall metric" (2019).
 *
 * @param onRows told how many more rows were compared with a whole set; there are twice as many as in both sets
 */
export async function storedPrecisionRecall(
  reference: StoredRows,
  samples: StoredRows,
  runtime: RuntimeOptions,
  { neighbours = 3, onRows }: { neighbours?: number; onRows?: (rows: number) => void } = {},
): Promise<PrecisionRecall> {
  const nearest: Nearest = compile(
    ({ points, set }) => {
      const { values } = tf.topk(
        tf.neg(squaredDistances(points, set)),
        Math.min(neighbours + 1, set.shape[0]),
      );
      return { nearest: tf.neg<Tensor2D>(values) };
    },
    { runtime },
  );
  const within: Within = compile(
    ({ points, set, radii }) => ({
      within: tf
        .any<Tensor1D>(tf.lessEqual(squaredDistances(points, set), tf.expandDims(radii, 0)), 1)
        .cast('float32'),
    }),
    { runtime },
  );
  try {
    const radiiOf = async (set: StoredRows): Promise<Float32Array> => {
      const radii = new Float32Array(set.count);
      for await (const [first, points] of portions(set)) {
        const found = Array.from({ length: points.shape[0]! }, (): number[] => []);
        for await (const [, others] of portions(set)) {
          const { nearest: part } = await nearest.call({ points, set: others });
          const width = part.shape[1]!;
          for (const [i, own] of found.entries())
            own.push(...floats(part).subarray(i * width, (i + 1) * width));
        }
        // The nearest of all is the point itself.
        for (const [i, own] of found.entries())
          radii[first + i] = own.sort((a, b) => a - b)[Math.min(neighbours, own.length - 1)]!;
        onRows?.(found.length);
      }
      return radii;
    };
    const shareWithin = async (points: StoredRows, set: StoredRows, radii: Float32Array) => {
      let inside = 0;
      for await (const [, part] of portions(points)) {
        const isWithin = new Uint8Array(part.shape[0]!);
        for await (const [first, others] of portions(set)) {
          const own = radii.slice(first, first + others.shape[0]!);
          const result = await within.call({ points: part, set: others, radii: float32([own.length], own) });
          for (const [i, value] of floats(result.within).entries()) isWithin[i]! |= value;
        }
        inside += isWithin.reduce((sum, value) => sum + value, 0);
        onRows?.(isWithin.length);
      }
      return inside / points.count;
    };
    return {
      precision: await shareWithin(samples, reference, await radiiOf(reference)),
      recall: await shareWithin(reference, samples, await radiiOf(samples)),
    };
  } finally {
    await nearest.close();
    await within.close();
  }
}

/**
 * Share of rows' nearest members of a set, `neighbours` of each, that have the row's class.
 *
 * @param labels of the rows and of the set's members: names or numbers, compared as they are
 */
export async function storedClassAgreement(
  rows: StoredRows,
  set: StoredRows,
  labels: { readonly rows: readonly string[]; readonly set: readonly string[] },
  runtime: RuntimeOptions,
  { neighbours = 5, onRows }: { neighbours?: number; onRows?: (rows: number) => void } = {},
): Promise<number> {
  const kept = Math.min(neighbours, set.count);
  const closest: Closest = compile(
    ({ points, set }) => {
      const found = tf.topk(tf.neg(squaredDistances(points, set)), Math.min(kept, set.shape[0]));
      return { distances: tf.neg<Tensor2D>(found.values), indices: found.indices };
    },
    { runtime },
  );
  try {
    let agreeing = 0;
    for await (const [first, points] of portions(rows)) {
      const found = Array.from({ length: points.shape[0]! }, (): [distance: number, member: number][] => []);
      for await (const [start, members] of portions(set)) {
        const { distances, indices } = await closest.call({ points, set: members });
        const width = distances.shape[1]!;
        for (const [i, own] of found.entries())
          for (let k = i * width; k < (i + 1) * width; k++)
            own.push([distances.data[k]!, start + indices.data[k]!]);
      }
      for (const [i, own] of found.entries())
        for (const [, member] of own.sort(([a], [b]) => a - b).slice(0, kept))
          if (labels.set[member] === labels.rows[first + i]) agreeing++;
      onRows?.(found.length);
    }
    return agreeing / (rows.count * kept);
  } finally {
    await closest.close();
  }
}

/** |u|² - 2u·v + |v|² of every two rows, and no less than 0. */
function squaredDistances(points: Tensor2D, set: Tensor2D): Tensor2D {
  const square = (rows: Tensor2D) => tf.sum(tf.square(rows), 1);
  const products = tf.mul(tf.matMul(points, set, false, true), 2);
  return tf.maximum(
    tf.add(tf.sub(tf.expandDims(square(points), 1), products), tf.expandDims(square(set), 0)),
    0,
  );
}

async function* portions({ count, width, read }: StoredRows) {
  for (let first = 0; first < count; first += rowsAtOnce) {
    const rows = Math.min(rowsAtOnce, count - first);
    yield [first, float32([rows, width], await read(first, rows))] as const;
  }
}

export interface PrecisionRecall {
  /** Share of the samples that lie among the reference. */
  readonly precision: number;
  /** Share of the reference that lies among the samples. */
  readonly recall: number;
}

/**
 * Share of one set of features that lies in the other's manifold: the union of the balls around its members that reach
 * to their k-th nearest neighbour.
 *
 * Source: Kynkäänniemi et al., "Improved precision and recall metric" (2019).
 */
export function precisionRecall(reference: Rows, samples: Rows, neighbours = 3): PrecisionRecall {
  return {
    precision: shareWithin(samples, reference, neighbours),
    recall: shareWithin(reference, samples, neighbours),
  };
}

/** The share of `points` within the manifold of `set`. */
function shareWithin(points: Rows, set: Rows, neighbours: number): number {
  if (points.width !== set.width)
    throw argumentError(`Features of ${points.width} and of ${set.width} numbers cannot be compared.`);
  const radii = Float64Array.from({ length: set.count }, (_, i) => squaredRadius(set, i, neighbours));
  let within = 0;
  for (let i = 0; i < points.count; i++)
    for (let j = 0; j < set.count; j++)
      if (squaredDistance(points, i, set, j) <= radii[j]!) {
        within++;
        break;
      }
  return within / points.count;
}

/** The squared distance of a member to its k-th nearest neighbour; to the farthest where there are fewer. */
function squaredRadius(set: Rows, member: number, neighbours: number): number {
  const nearest: number[] = [];
  for (let i = 0; i < set.count; i++) {
    if (i === member) continue;
    const distance = squaredDistance(set, member, set, i);
    if (nearest.length === neighbours && distance >= nearest.at(-1)!) continue;
    const place = nearest.findIndex((other) => distance < other);
    nearest.splice(place < 0 ? nearest.length : place, 0, distance);
    nearest.length = Math.min(nearest.length, neighbours);
  }
  return nearest.at(-1) ?? 0;
}

function squaredDistance(a: Rows, i: number, b: Rows, j: number): number {
  let sum = 0;
  for (let k = 0; k < a.width; k++) sum += (a.data[i * a.width + k]! - b.data[j * b.width + k]!) ** 2;
  return sum;
}
