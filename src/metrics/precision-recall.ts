import type { Rows } from './matrix.js';

export interface PrecisionRecall {
  /** Share of the samples that lie among the reference. */
  readonly precision: number;
  /** Share of the reference that lies among the samples. */
  readonly recall: number;
}

/**
 * How much of one set of features lies in the other's manifold: the union of the balls around its members that reach to
 * their k-th nearest neighbour.
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
    throw new RangeError(`Features of ${points.width} and of ${set.width} numbers cannot be compared.`);
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
