/** Course of the learning rate after warm-up. */
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

/** Schedule of checkpoints: when they are saved, and which are kept. */
interface CheckpointOptions {
  readonly everySteps: number;
  /** Number of epochs after which a checkpoint is saved too. */
  readonly everyEpochs?: number;
  /** Newest ones that are kept. */
  readonly keepLast: number;
  /** Interval at which checkpoints are kept for good, of those that `everyEpochs`, or else `everySteps`, asks for. */
  readonly keepEvery?: number;
}

/** A pure function of the step, so that resuming needs no state. */
export interface CheckpointSchedule {
  isDue(step: number): boolean;
  isKept(step: number): boolean;
  readonly keepLast: number;
}

export function checkpointSchedule(
  { everySteps, everyEpochs, keepLast, keepEvery }: CheckpointOptions,
  stepsPerEpoch = 1,
): CheckpointSchedule {
  const epochs = everyEpochs === undefined ? undefined : everyEpochs * stepsPerEpoch;
  const isMultiple = (step: number, of: number | undefined) => of !== undefined && step % of === 0;
  const keptPeriod = keepEvery === undefined ? undefined : keepEvery * (epochs ?? everySteps);
  return {
    keepLast,
    isDue: (step) => isMultiple(step, everySteps) || isMultiple(step, epochs),
    isKept: (step) => isMultiple(step, keptPeriod),
  };
}
