import type { FeatureCache } from './taylor.js';

/** What has been computed of a sample's features. */
export interface ComputedSteps {
  /** The last step that was computed. */
  readonly last: number;
  /** Computations so far. */
  readonly computed: number;
}

/**
 * Whether a step's features are computed rather than predicted.
 *
 * @param known nothing where none were computed before
 * @param lastStep the step from which on everything is computed
 */
export function isComputed(
  { interval, firstSteps }: FeatureCache,
  known: ComputedSteps | undefined,
  step: number,
  lastStep: number,
): boolean {
  if (known === undefined || known.computed < firstSteps || step >= lastStep) return true;
  return step - known.last >= interval;
}

/** What is known after another step was computed. */
export function withStep(known: ComputedSteps | undefined, step: number): ComputedSteps {
  return { last: step, computed: (known?.computed ?? 0) + 1 };
}
