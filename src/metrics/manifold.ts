import { argumentError } from '../base/errors.js';
import { compile, float32, floats, tf } from '../tensorflow/index.js';
import type { Compiled, HostTensor, RuntimeOptions, Tensor1D, Tensor2D } from '../tensorflow/index.js';
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

type Nearest = Compiled<{ a: Tensor2D; b: Tensor2D }, { ofA: Tensor2D; ofB: Tensor2D }>;
type Closest = Compiled<{ points: Tensor2D; set: Tensor2D }, { distances: Tensor2D; indices: Tensor2D }>;
type Within = Compiled<
  { a: Tensor2D; b: Tensor2D; radiiOfA: Tensor1D; radiiOfB: Tensor1D },
  { ofA: Tensor1D; ofB: Tensor1D }
>;

/**
 * Precision and recall of sets of any size, their distances computed in float32 portion by portion, as the ADM
 * evaluator does. Each distance is computed once: it counts for both of its points.
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
    ({ a, b }) => {
      const nearness = tf.neg<Tensor2D>(squaredDistances(a, b));
      const least = (rows: Tensor2D) =>
        tf.neg<Tensor2D>(tf.topk(rows, Math.min(neighbours + 1, rows.shape[1])).values);
      return { ofA: least(nearness), ofB: least(tf.transpose(nearness)) };
    },
    { runtime },
  );
  const within: Within = compile(
    ({ a, b, radiiOfA, radiiOfB }) => {
      const distances = squaredDistances(a, b);
      const any = (radii: Tensor2D, axis: number) =>
        tf.any<Tensor1D>(tf.lessEqual(distances, radii), axis).cast<Tensor1D>('float32');
      return { ofA: any(tf.expandDims(radiiOfB, 0), 1), ofB: any(tf.expandDims(radiiOfA, 1), 0) };
    },
    { runtime },
  );
  try {
    const radiiOf = async (set: StoredRows): Promise<Float32Array> => {
      const found = Array.from({ length: set.count }, (): number[] => []);
      const take = (first: number, { shape, data }: HostTensor) => {
        const [rows, width] = shape as [number, number];
        for (let i = 0; i < rows; i++) {
          const own = found[first + i]!;
          own.push(...data.subarray(i * width, (i + 1) * width));
          // The nearest of all is the point itself.
          own.sort((x, y) => x - y).splice(neighbours + 1);
        }
      };
      for await (const [first, a] of portions(set)) {
        for await (const [other, b] of portions(set, first)) {
          const { ofA, ofB } = await nearest.call({ a, b });
          take(first, ofA);
          if (other !== first) take(other, ofB);
        }
        onRows?.(a.shape[0]!);
      }
      return Float32Array.from(found, (own) => own.at(-1)!);
    };
    const [radiiOfReference, radiiOfSamples] = [await radiiOf(reference), await radiiOf(samples)];
    const [inReference, inSamples] = [new Uint8Array(samples.count), new Uint8Array(reference.count)];
    const radii = (all: Float32Array, first: number, { shape: [rows] }: HostTensor) =>
      float32([rows!], all.slice(first, first + rows!));
    const mark = (places: Uint8Array, first: number, values: HostTensor) => {
      for (const [i, value] of floats(values).entries()) places[first + i]! |= value;
    };
    for await (const [first, a] of portions(samples)) {
      for await (const [other, b] of portions(reference)) {
        const { ofA, ofB } = await within.call({
          ...{ a, b },
          radiiOfA: radii(radiiOfSamples, first, a),
          radiiOfB: radii(radiiOfReference, other, b),
        });
        mark(inReference, first, ofA);
        mark(inSamples, other, ofB);
      }
      onRows?.(a.shape[0]!);
    }
    onRows?.(reference.count);
    const share = (places: Uint8Array) => places.reduce((sum, value) => sum + value, 0) / places.length;
    return { precision: share(inReference), recall: share(inSamples) };
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

async function* portions({ count, width, read }: StoredRows, start = 0) {
  for (let first = start; first < count; first += rowsAtOnce) {
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
