import { type HostTensor, float32 } from '../tensorflow/index.js';

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
