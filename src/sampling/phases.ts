import { type HostTensor, sizeOf } from '../tensorflow/index.js';

/** Mean absolute or mean squared difference. */
export type Distance = 'mae' | 'mse';

export interface PhaseOptions {
  /** Between the states of successive steps. */
  readonly distance: Distance;
  /** Over how many first distances the mean is taken that later ones are compared with. At least 1. */
  readonly firstSteps: number;
  /** For each phase but the last: the share of the mean below which the next phase begins. */
  readonly switchRatios: readonly number[];
}

/** Where a sample stands. */
export interface PhaseState {
  /** Number of the phase, from 0. */
  readonly phase: number;
  /** Distances seen so far. */
  readonly seen: number;
  /** Mean of the first distances, as far as they are seen. */
  readonly mean: number;
}

/** Where every sample starts. */
export const firstPhase: PhaseState = { phase: 0, seen: 0, mean: 0 };

/**
 * Where a sample stands after another distance. During the first steps distances are averaged; afterwards each that
 * falls below the ratio of the sample's phase ends the phase, and at once the next one too, if it falls below its ratio.
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
