import { arrayOver, float32, type HostTensor, sizeOf } from '../tensorflow/data-types.js';

/** Takes the states `[batch, …]` of a step's start to those of its end. */
export type Advance = (x: HostTensor, at: StepTime) => Promise<HostTensor>;

export interface Integration {
  /** States at the first time. */
  readonly init: HostTensor;
  /** The grid, ascending or descending. */
  readonly times: readonly number[];
  readonly step: Advance;
  /** Last step after the grid: it starts at the last time. */
  readonly lastStep?: { readonly size: number; readonly step: Advance };
  /** Callback after each step with the states that it led to. */
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

/** A step of a grid of times: from t to t + dt, which is negative on the way from data to noise. */
export interface StepTime {
  /** Number of the step, from 0. */
  readonly index: number;
  readonly t: number;
  readonly dt: number;
}

/** `points` times at equal distances, both ends among them. */
export function uniformTimes([start, end]: readonly [number, number], points: number): number[] {
  return Array.from({ length: points }, (_, i) =>
    i === points - 1 ? end : start + ((end - start) * i) / (points - 1),
  );
}

/** State, time `[batch]` and step size (a scalar) as a program wants them. */
export function stepInputs(
  x: HostTensor,
  { t, dt }: Pick<StepTime, 't' | 'dt'>,
): Record<'x' | 't' | 'dt', HostTensor> {
  return { x, t: timesOf(x, t), dt: float32([], Float32Array.of(dt)) };
}

/** The same time for every sample of x: `[batch]`. */
export function timesOf(x: HostTensor, t: number): HostTensor {
  const batch = x.shape[0] ?? 1;
  return float32([batch], new Float32Array(batch).fill(t));
}

/** The samples of a batch that are named, in that order: `[rows, …]`. */
export function takeRows({ dtype, shape, data }: HostTensor, rows: readonly number[]): HostTensor {
  const rest = shape.slice(1);
  const size = sizeOf(rest);
  const taken = arrayOver(dtype, new ArrayBuffer(rows.length * size * data.BYTES_PER_ELEMENT));
  for (const [i, row] of rows.entries()) taken.set(data.subarray(row * size, (row + 1) * size), i * size);
  return { dtype, shape: [rows.length, ...rest], data: taken };
}

/** Writes the samples of `part` over those of `whole` that are named. */
export function putRows(part: HostTensor, rows: readonly number[], whole: Float32Array): void {
  const size = sizeOf(part.shape.slice(1));
  for (const [i, row] of rows.entries()) whole.set(part.data.subarray(i * size, (i + 1) * size), row * size);
}

/** Writes one sample of a batch over the same sample of `whole`. */
export function copyRow({ shape, data }: HostTensor, row: number, whole: Float32Array): void {
  const size = sizeOf(shape.slice(1));
  whole.set(data.subarray(row * size, (row + 1) * size), row * size);
}

/** Row numbers 0, 1, … */
export function allRows({ shape }: HostTensor): number[] {
  return Array.from({ length: shape[0]! }, (_, row) => row);
}
