/** When checkpoints are saved, and which are kept. */
export interface CheckpointOptions {
  readonly everySteps: number;
  /** Also at the end of every so many epochs. */
  readonly everyEpochs?: number;
  /** Newest ones that are kept. */
  readonly keepLast: number;
  /** Of those that `everyEpochs`, or else `everySteps`, asks for, every so many is kept for good. */
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
