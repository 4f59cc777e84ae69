import type { HostTensor } from '../../tensorflow/index.js';
import type { PhaseSwitch } from '../phased-steps.js';

/** Samples that are followed together from the first time of a path to its last. */
export interface PathInputs {
  /** States at the start, `[batch, …]`. */
  readonly init: HostTensor;
  /** What a path takes of each sample beside its state, samples first: int32 `labels` and what else its field wants. */
  readonly perSample: Readonly<Record<string, HostTensor>> & { readonly labels: HostTensor };
  /** Standard normal numbers for a step, shaped as the states. Needed by SDEs. */
  readonly noise?: (step: number) => Promise<HostTensor>;
  /** Told after each step what share of the path is done. */
  readonly onProgress?: (share: number) => void;
  /** Told the states after each step of the grid, counted from 1. */
  readonly onState?: (x: HostTensor, step: number) => void;
  readonly signal?: AbortSignal;
}

export interface PathResult {
  /** States at the end. */
  readonly x: HostTensor;
  /** Steps that each sample took. */
  readonly steps: readonly number[];
  /** Where samples went from one model to another. */
  readonly switches: readonly PhaseSwitch[];
}

/** Follows a path. */
export type FollowPath = (inputs: PathInputs) => Promise<PathResult>;
