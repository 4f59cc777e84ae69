/** How the size of steps follows their error. */
export interface StepControl {
  /** Steps are made this much smaller than their error asks for. */
  readonly safety: number;
  readonly largestGrowth: number;
  readonly largestShrinkage: number;
}

/** torchdiffeq's. */
export const usualControl: StepControl = { safety: 0.9, largestGrowth: 10, largestShrinkage: 0.2 };

/**
 * The size of the step after one of size `dt` with `error` in units of what is tolerated, for a method of `order`.
 *
 * Source: Hairer, Nørsett and Wanner, II.4, equation 4.13.
 */
export function nextStepSize(dt: number, error: number, order: number, control = usualControl): number {
  const { safety, largestGrowth, largestShrinkage } = control;
  if (error === 0) return dt * largestGrowth;
  if (Number.isNaN(error)) return dt * largestShrinkage;
  const smallest = error < 1 ? 1 : largestShrinkage;
  return dt * Math.min(largestGrowth, Math.max(safety / error ** (1 / order), smallest));
}

/**
 * A size to try first, before the field is seen elsewhere: a hundredth of the time in which the state changes by as
 * much as it is. Norms are in units of what is tolerated.
 *
 * Source: the same, algorithm "starting step size", steps a and b.
 */
export function trialStepSize(stateNorm: number, fieldNorm: number): number {
  return stateNorm < 1e-5 || fieldNorm < 1e-5 ? 1e-6 : (0.01 * stateNorm) / fieldNorm;
}

/**
 * The size of the first step, from the field's norm and how fast it changes over the trial step. The same, steps d to
 * f.
 *
 * @param order of the method
 */
export function firstStepSize(trial: number, fieldNorm: number, changeNorm: number, order: number): number {
  const change = changeNorm / trial;
  const size =
    fieldNorm <= 1e-15 && change <= 1e-15
      ? Math.max(1e-6, trial * 1e-3)
      : (0.01 / Math.max(fieldNorm, change)) ** (1 / order);
  return Math.min(100 * trial, size);
}
