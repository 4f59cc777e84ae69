/** About how many counts of samples there are to choose from. */
const choices = 16;

/** More counts than `paddedCount` ever gives for one `most`. */
export const mostCounts = 2 * choices + 2;

/**
 * The count that `samples` are filled up to: one of about 16, at most a sixteenth of `most` larger. Phases leave
 * batches of any size, and what fills them up is computed for nothing: these steps are finer than those of programs in
 * general, and are traced once.
 */
export function paddedCount(samples: number, most: number): number {
  if (samples <= 2 || samples >= most) return samples;
  const quantum = Math.ceil(most / choices);
  return Math.min(most, Math.ceil(samples / quantum) * quantum);
}
