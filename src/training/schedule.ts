/** How the learning rate goes after warm-up. */
export type ScheduleKind = 'constant' | 'cosine' | 'linear';

export interface Schedule {
  readonly kind: ScheduleKind;
  /** The highest learning rate. */
  readonly learningRate: number;
  /** Steps over which the rate rises linearly from near zero. */
  readonly warmupSteps: number;
  /** Steps after which cosine and linear schedules reach zero. */
  readonly totalSteps: number;
}

/** Learning rate of a step, counted from 0. A pure function of the step, so that resuming needs no state. */
export function learningRateAt(
  step: number,
  { kind, learningRate, warmupSteps, totalSteps }: Schedule,
): number {
  if (step < warmupSteps) return (learningRate * (step + 1)) / warmupSteps;
  if (kind === 'constant') return learningRate;
  const done = Math.min(1, (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps));
  return learningRate * (kind === 'linear' ? 1 - done : (1 + Math.cos(Math.PI * done)) / 2);
}
