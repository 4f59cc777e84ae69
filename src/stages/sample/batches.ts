import type { SampleBatch } from './sampler.js';

/** Which of several workers takes a batch: a matter of its place alone, so that all of them agree. */
export function batchesOfWorker(
  batches: readonly SampleBatch[],
  batch: number,
  { rank, size }: { readonly rank: number; readonly size: number },
): SampleBatch[] {
  return batches.filter(({ first }) => Math.floor(first / batch) % size === rank);
}

/**
 * The batches that make the samples which are missing. Ranges of samples are always the same, so that what a sample is
 * made of does not depend on what is missing.
 */
export function missingBatches(
  labels: Int32Array,
  batch: number,
  isThere: (sample: number) => boolean,
): SampleBatch[] {
  const batches: SampleBatch[] = [];
  for (let first = 0; first < labels.length; first += batch) {
    const size = Math.min(batch, labels.length - first);
    const rows = Array.from({ length: size }, (_, row) => row).filter((row) => !isThere(first + row));
    if (rows.length > 0)
      batches.push({ first, size, rows, labels: Int32Array.from(rows, (row) => labels[first + row]!) });
  }
  return batches;
}
