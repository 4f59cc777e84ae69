import type { HostTensor } from '../tensorflow/index.js';
import type { StepTime } from './times.js';

/** Takes the states `[batch, …]` of a step's start to those of its end. */
export type Advance = (x: HostTensor, at: StepTime) => Promise<HostTensor>;

export interface Integration {
  /** States at the first time. */
  readonly init: HostTensor;
  /** The grid, ascending or descending. */
  readonly times: readonly number[];
  readonly step: Advance;
  /** After the grid: its step starts at the last time. */
  readonly lastStep?: { readonly size: number; readonly step: Advance };
  /** Called after each step with the states that it led to. */
  readonly onStep?: (x: HostTensor, at: StepTime) => void | Promise<void>;
  readonly signal?: AbortSignal;
}

/**
 * Follows a grid of times step by step and returns the states at its end.
 *
 * @throws the signal's reason between two steps when it is aborted
 */
export async function integrate(integration: Integration): Promise<HostTensor> {
  const { init, times, step, lastStep, onStep, signal } = integration;
  let x = init;
  for (const at of stepsOf(times)) {
    signal?.throwIfAborted();
    x = await step(x, at);
    await onStep?.(x, at);
  }
  if (lastStep === undefined) return x;
  signal?.throwIfAborted();
  const at = { index: times.length - 1, t: times.at(-1)!, dt: lastStep.size };
  x = await lastStep.step(x, at);
  await onStep?.(x, at);
  return x;
}

/** The steps of a grid. */
export function stepsOf(times: readonly number[]): StepTime[] {
  return times.slice(1).map((next, index) => ({ index, t: times[index]!, dt: next - times[index]! }));
}
