import { float32, type HostTensor, sizeOf } from '../tensorflow/data-types.js';
import { type Advance, putRows, type StepTime, takeRows } from './integrate.js';

/** Mean absolute or mean squared difference. */
export type Distance = 'mae' | 'mse';

export interface PhaseOptions {
  /** Between the states of successive steps. */
  readonly distance: Distance;
  /** Power of a step's length that distances are divided by, where steps differ in length: `timePower`; by default 0. */
  readonly timePower?: number;
  /** Over how many first distances the mean is taken that later ones are compared with. At least 1. */
  readonly firstSteps: number;
  /** Share of the mean, for each phase but the last, below which the next phase begins. */
  readonly switchRatios: readonly number[];
}

/** State of a sample's switching. */
export interface PhaseState {
  /** Number of the phase, from 0. */
  readonly phase: number;
  /** Distances seen so far. */
  readonly seen: number;
  /** Mean of the first distances, as far as they are seen. */
  readonly mean: number;
}

/** State in which every sample starts. */
export const firstPhase: PhaseState = { phase: 0, seen: 0, mean: 0 };

/**
 * Advances a sample's state by another distance. During the first steps distances are averaged; afterwards each that
 * falls below the ratio of the sample's phase ends the phase, and at once the next one too, if it falls below its
 * ratio.
 *
 * Source: Attention Mediators, section 3.3, "time-step-wise mediator adjusting".
 */
export function advancePhase(options: PhaseOptions, state: PhaseState, distance: number): PhaseState {
  const { firstSteps, switchRatios } = options;
  const seen = state.seen + 1;
  if (seen <= firstSteps) return { ...state, seen, mean: state.mean + distance / firstSteps };
  let { phase } = state;
  while (phase < switchRatios.length && distance < switchRatios[phase]! * state.mean) phase++;
  return { ...state, seen, phase };
}

/** The distance between two states of each sample. */
export function distancesBetween(distance: Distance, a: HostTensor, b: HostTensor): number[] {
  const samples = a.shape[0]!;
  const size = sizeOf(a.shape.slice(1));
  const term = distance === 'mae' ? Math.abs : (difference: number) => difference * difference;
  return Array.from({ length: samples }, (_, row) => {
    let sum = 0;
    for (let i = row * size; i < (row + 1) * size; i++) sum += term(a.data[i]! - b.data[i]!);
    return sum / size;
  });
}

/** The distance between states, as far apart as a step of size `dt`, by which phases go. */
export function movesOf(
  { distance, timePower = 0 }: Pick<PhaseOptions, 'distance' | 'timePower'>,
  next: HostTensor,
  previous: HostTensor,
  dt: number,
): number[] {
  const distances = distancesBetween(distance, next, previous);
  if (timePower === 0) return distances;
  const time = Math.abs(dt) ** (distance === 'mae' ? timePower : 2 * timePower);
  return distances.map((value) => value / time);
}

/** The samples of each phase that has any: phase and rows, ascending. */
export function rowsByPhase(states: readonly PhaseState[]): (readonly [phase: number, rows: number[]])[] {
  const groups = new Map<number, number[]>();
  for (const [row, { phase }] of states.entries()) {
    const rows = groups.get(phase);
    if (rows === undefined) groups.set(phase, [row]);
    else rows.push(row);
  }
  return [...groups].sort(([a], [b]) => a - b);
}

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
  /** Step for last steps and the like: by the models of the phases as they stand. */
  readonly by: (steps: readonly PhaseStep[]) => Advance;
  /** Every switch so far, in order. */
  readonly switches: readonly PhaseSwitch[];
  /** Current state of each sample. */
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
        const distances = movesOf(options, next, previous, at.dt);
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
