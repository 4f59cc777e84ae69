import { type Distance, distancesBetween } from '../../sampling/index.js';
import type { HostTensor } from '../../tensorflow/index.js';
import type { DrawnBatch, SampleBatch, Sampler } from '../sample/sampler.js';

/** What is kept of one model's paths. */
export interface ModelRecord {
  /** By sample and step, from the second on. */
  readonly distances: number[][];
  /** By step: mean absolute difference to the largest model's states, summed over samples. */
  readonly differences: number[];
}

/** Follows a batch by one model alone and keeps how far each step moved each sample. */
export async function recordBatch(
  sampler: Sampler,
  batch: SampleBatch,
  distance: Distance,
  record: ModelRecord,
  options: {
    readonly signal: AbortSignal;
    readonly onProgress: (share: number) => void;
    /** The largest model's states by step: compared with, or filled where it is the one. */
    readonly largest: HostTensor[];
    readonly isLargest: boolean;
  },
): Promise<DrawnBatch> {
  const { largest, isLargest, ...rest } = options;
  const own: number[][] = batch.rows.map(() => []);
  let previous: HostTensor | undefined;
  const drawn = await sampler.draw(batch, {
    ...rest,
    onState: (x, step) => {
      if (previous !== undefined)
        for (const [row, value] of distancesBetween(distance, x, previous).entries()) own[row]!.push(value);
      previous = x;
      if (isLargest) largest.push(x);
      const away = isLargest ? [0] : distancesBetween('mae', x, largest[step - 1]!);
      record.differences[step - 1] =
        (record.differences[step - 1] ?? 0) + away.reduce((sum, value) => sum + value, 0);
    },
  });
  record.distances.push(...own);
  return drawn;
}
