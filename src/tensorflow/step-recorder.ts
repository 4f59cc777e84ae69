import type { StepStats } from './step-stats.js';

/** First steps that are not recorded: TensorFlow prepares its graph and memory in them. */
const warmUpSteps = 2;

/** Steps of sessions, with the time of every operation. */
export interface Recording {
  /** Resolves with the recorded steps once there are as many as were asked for, or recording was stopped. */
  readonly done: Promise<readonly StepStats[]>;
  stop(): void;
}

/** What a session's step is told where it is to be recorded. */
export type OnStats = (stats: StepStats) => void;

let current: { next(): OnStats | undefined } | undefined;

/**
 * Records the next `steps` steps of this process's sessions, whichever take them, after two that warm up: calls of
 * compiled programs and training steps, but not what moves variables. Recording slows a step a little.
 */
export function recordSteps(steps: number): Recording {
  const recorded: StepStats[] = [];
  let resolve: (steps: readonly StepStats[]) => void;
  const done = new Promise<readonly StepStats[]>((settle) => (resolve = settle));
  let begun = -warmUpSteps;
  const recorder = {
    next: () => {
      begun++;
      if (begun <= 0 || begun > steps) return undefined;
      return (stats: StepStats) => {
        recorded.push(stats);
        if (recorded.length === steps) stop();
      };
    },
  };
  const stop = () => {
    if (current === recorder) current = undefined;
    resolve(recorded);
  };
  current = recorder;
  return { done, stop };
}

/** Where the step that a session is about to take is to be told of. */
export function recorderOfNextStep(): OnStats | undefined {
  return current?.next();
}
