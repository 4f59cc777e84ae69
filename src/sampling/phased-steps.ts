import { type HostTensor, float32 } from '../tensorflow/index.js';
import type { Advance } from './integrate.js';
import {
  type PhaseOptions,
  type PhaseState,
  advancePhase,
  distancesBetween,
  firstPhase,
  rowsByPhase,
} from './phases.js';
import { putRows, takeRows } from './rows.js';
import type { StepTime } from './times.js';

/** A step of one phase's model for some samples of the batch: `x` holds those of `rows`, in that order. */
export type PhaseStep = (x: HostTensor, at: StepTime, rows: readonly number[]) => Promise<HostTensor>;

/** A sample that went from one phase to another after a step. */
export interface PhaseSwitch {
  readonly row: number;
  /** The step after which it did, from 0. */
  readonly step: number;
  readonly from: number;
  readonly to: number;
}

export interface PhasedSteps {
  /** The steps of `integrate`: each sample's by the model of its phase. */
  readonly step: Advance;
  /** For last steps and the like: by the models of the phases as they stand. */
  readonly by: (steps: readonly PhaseStep[]) => Advance;
  /** Every switch so far, in order. */
  readonly switches: readonly PhaseSwitch[];
  /** Where each sample stands. */
  readonly states: () => readonly PhaseState[];
}

/**
 * Steps for one batch's path, in which each sample switches from phase to phase on its own. Make one for each path.
 *
 * @param steps one for each phase
 */
export function phasedSteps(
  samples: number,
  options: PhaseOptions,
  steps: readonly PhaseStep[],
): PhasedSteps {
  if (steps.length !== options.switchRatios.length + 1)
    throw new RangeError(
      `${steps.length} phases need ${steps.length - 1} ratios, found ${options.switchRatios.length}.`,
    );
  let states: readonly PhaseState[] = new Array<PhaseState>(samples).fill(firstPhase);
  let previous: HostTensor | undefined;
  const switches: PhaseSwitch[] = [];
  const by = (phases: readonly PhaseStep[]): Advance => {
    return (x, at) => stepByPhase(x, at, states, phases);
  };
  return {
    by,
    switches,
    states: () => states,
    step: async (x, at) => {
      const next = await by(steps)(x, at);
      if (previous !== undefined) {
        const distances = distancesBetween(options.distance, next, previous);
        const advanced = states.map((state, row) => advancePhase(options, state, distances[row]!));
        for (const [row, { phase: to }] of advanced.entries()) {
          const from = states[row]!.phase;
          if (from !== to) switches.push({ row, step: at.index, from, to });
        }
        states = advanced;
      }
      previous = next;
      return next;
    },
  };
}

/** Runs each phase's samples as one batch. */
async function stepByPhase(
  x: HostTensor,
  at: StepTime,
  states: readonly PhaseState[],
  phases: readonly PhaseStep[],
): Promise<HostTensor> {
  const groups = rowsByPhase(states);
  const [only] = groups;
  if (groups.length === 1 && only !== undefined) return phases[only[0]]!(x, at, only[1]);
  const whole = new Float32Array(x.data.length);
  for (const [phase, rows] of groups) putRows(await phases[phase]!(takeRows(x, rows), at, rows), rows, whole);
  return float32(x.shape, whole);
}
