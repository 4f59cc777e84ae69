import { UserError } from '../../base/errors.js';
import { float32, floats, type HostTensor, sizeOf } from '../../tensorflow/data-types.js';
import type { AdaptiveIntegrator } from '../../transport/index.js';
import { copyRow, timesOf } from '../integrate.js';
import type { Tolerances } from './runge-kutta.js';

/** Sizes below this cannot be told from 0 in the single precision of programs. */
const smallestStep = 1e-7;

export interface AdaptiveIntegration {
  /** States at the first time. */
  readonly init: HostTensor;
  /** Times at which states are wanted, ascending or descending; the first is the start. */
  readonly times: readonly number[];
  readonly integrator: AdaptiveIntegrator;
  /** Tolerances as given to `adaptiveStep`. */
  readonly tolerances: Tolerances;
  /**
   * Owner of a step size: each sample, whose path then does not depend on the others of its batch, or the batch, as in
   * torchdiffeq.
   */
  readonly control: 'sample' | 'batch';
  /** A program of the field. */
  readonly field: (
    inputs: Readonly<Record<'x' | 't', HostTensor>>,
  ) => Promise<Readonly<Record<'f', HostTensor>>>;
  /** A program of `adaptiveStep`; `dt` is `[batch]`. */
  readonly step: (
    inputs: Readonly<Record<'x' | 'f' | 't' | 'dt', HostTensor>>,
  ) => Promise<Readonly<Record<'x' | 'f' | 'middle' | 'error', HostTensor>>>;
  /** Callback after each step with the times that samples have got to. */
  readonly onStep?: (times: readonly number[]) => void | Promise<void>;
  readonly signal?: AbortSignal;
}

export interface AdaptiveResult {
  /** The states at each of `times`. */
  readonly states: readonly HostTensor[];
  /** Evaluations of the field. */
  readonly evaluations: number;
}

/**
 * Follows an ODE by steps whose sizes keep the error at what is tolerated, and interpolates states at
 * the wanted times. Never goes past the last time. A sample that has arrived waits for the others.
 *
 * Step sizes are chosen as in torchdiffeq's `dopri5`.
 *
 * @throws UserError `integration-failed` where a step size falls below what single precision can tell from 0
 */
export async function integrateAdaptive(integration: AdaptiveIntegration): Promise<AdaptiveResult> {
  const { init, times, integrator, step, control, onStep, signal } = integration;
  const { order } = integrator;
  const samples = init.shape[0]!;
  const end = times.at(-1)!;
  const direction = Math.sign(end - times[0]!);
  const states = times.map((_, i) =>
    float32(init.shape, i === 0 ? Float32Array.from(init.data) : new Float32Array(init.data.length)),
  );

  let x = init;
  let { f } = await integration.field({ x, t: timesOf(x, times[0]!) });
  const at = new Array<number>(samples).fill(times[0]!);
  const sizes = await firstSizes(integration, f, direction);
  let evaluations = 2;

  while (at.some((t) => t !== end)) {
    signal?.throwIfAborted();
    const dt = sizes.map((size, i) => direction * Math.min(size, Math.abs(end - at[i]!)));
    const tried = await step({ x, f, t: hostTimes(at), dt: hostTimes(dt) });
    evaluations += integrator.tableau.nodes.length;
    const errors = norms(floats(tried.error), control);
    const next = { x: Float32Array.from(x.data), f: Float32Array.from(f.data) };
    for (let i = 0; i < samples; i++) {
      if (at[i] === end) continue;
      const error = errors[i]!;
      sizes[i] = nextStepSize(Math.abs(dt[i]!), error, order);
      if (!(error <= 1)) {
        if (!(sizes[i]! >= smallestStep)) throw failure(at[i]!);
        continue;
      }
      const arrived = Math.abs(dt[i]!) >= Math.abs(end - at[i]!);
      const reached = arrived ? end : at[i]! + dt[i]!;
      const values = { start: x, middle: tried.middle, end: tried.x, fStart: f, fEnd: tried.f };
      for (const [k, time] of times.entries())
        if (direction * (time - at[i]!) > 0 && direction * (reached - time) >= 0)
          interpolateStep(values, i, (time - at[i]!) / dt[i]!, dt[i]!, floats(states[k]!));
      copyRow(tried.x, i, next.x);
      copyRow(tried.f, i, next.f);
      at[i] = reached;
    }
    x = float32(x.shape, next.x);
    f = float32(x.shape, next.f);
    await onStep?.([...at]);
  }
  return { states, evaluations };
}

/** The first step's size for each sample, positive. One evaluation. */
async function firstSizes(
  { init, times, integrator, tolerances, control, field }: AdaptiveIntegration,
  f: HostTensor,
  direction: number,
): Promise<number[]> {
  const samples = init.shape[0]!;
  const size = sizeOf(init.shape) / samples;
  const tolerated = Float64Array.from(
    init.data,
    (value) => tolerances.absolute + Math.abs(value) * tolerances.relative,
  );
  const normOf = (value: (i: number) => number): number[] =>
    norms(
      Array.from({ length: samples }, (_, row) => {
        let sum = 0;
        for (let i = row * size; i < (row + 1) * size; i++) sum += (value(i) / tolerated[i]!) ** 2;
        return sum / size;
      }),
      control,
    );
  const stateNorms = normOf((i) => init.data[i]!);
  const fieldNorms = normOf((i) => f.data[i]!);
  const span = Math.abs(times.at(-1)! - times[0]!);
  const trials = stateNorms.map((norm, i) => Math.min(trialStepSize(norm, fieldNorms[i]!), span));
  const moved = Float32Array.from(
    init.data,
    (value, i) => value + direction * trials[Math.floor(i / size)]! * f.data[i]!,
  );
  const { f: there } = await field({
    x: float32(init.shape, moved),
    t: hostTimes(trials.map((trial) => times[0]! + direction * trial)),
  });
  const changes = normOf((i) => there.data[i]! - f.data[i]!);
  return trials.map((trial, i) => firstStepSize(trial, fieldNorms[i]!, changes[i]!, integrator.order));
}

/** Roots of mean squares: of each sample, or of all for each. */
function norms(meanSquares: ArrayLike<number>, control: 'sample' | 'batch'): number[] {
  const squares = Array.from(meanSquares);
  if (control === 'sample') return squares.map(Math.sqrt);
  const all = Math.sqrt(squares.reduce((sum, square) => sum + square, 0) / squares.length);
  return squares.map(() => all);
}

function hostTimes(times: readonly number[]): HostTensor {
  return float32([times.length], Float32Array.from(times));
}

function failure(t: number): UserError {
  return new UserError({
    code: 'integration-failed',
    message: `The adaptive solver found no step size that keeps its error within the tolerances at t = ${t.toPrecision(4)}.`,
    remedy: 'Raise the absolute or relative tolerance, or use a method of fixed steps.',
  });
}

/** Control of the step size by the error. */
interface StepControl {
  /** Steps are made this much smaller than their error asks for. */
  readonly safety: number;
  readonly largestGrowth: number;
  readonly largestShrinkage: number;
}

/** torchdiffeq's. */
const usualControl: StepControl = { safety: 0.9, largestGrowth: 10, largestShrinkage: 0.2 };

/**
 * The size of the step after one of size `dt` with `error` in units of what is tolerated, for a method of `order`.
 *
 * Source: Hairer, Nørsett and Wanner, II.4, equation 4.13.
 */
function nextStepSize(dt: number, error: number, order: number, control = usualControl): number {
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
function trialStepSize(stateNorm: number, fieldNorm: number): number {
  return stateNorm < 1e-5 || fieldNorm < 1e-5 ? 1e-6 : (0.01 * stateNorm) / fieldNorm;
}

/**
 * The size of the first step, from the field's norm and how fast it changes over the trial step. The same, steps d to
 * f.
 *
 * @param order of the method
 */
function firstStepSize(trial: number, fieldNorm: number, changeNorm: number, order: number): number {
  const change = changeNorm / trial;
  const size =
    fieldNorm <= 1e-15 && change <= 1e-15
      ? Math.max(1e-6, trial * 1e-3)
      : (0.01 / Math.max(fieldNorm, change)) ** (1 / order);
  return Math.min(100 * trial, size);
}

/** Values of one sample at a step's start, middle and end, and the field at both ends. */
interface StepValues {
  readonly start: HostTensor;
  readonly middle: HostTensor;
  readonly end: HostTensor;
  readonly fStart: HostTensor;
  readonly fEnd: HostTensor;
}

/**
 * Writes sample `row` at the fraction `u` of a step of size `dt` into `out`: the polynomial of degree 4 through the
 * three values, with the field as its slope at both ends.
 *
 * Source: Hairer, Nørsett and Wanner, "Solving ordinary differential equations I" (1993), II.6.
 */
function interpolateStep(
  { start, middle, end, fStart, fEnd }: StepValues,
  row: number,
  u: number,
  dt: number,
  out: Float32Array,
): void {
  const size = out.length / start.shape[0]!;
  const [valueStart, valueMiddle, valueEnd, slopeStart, slopeEnd] = basis(u);
  for (let i = row * size; i < (row + 1) * size; i++)
    out[i] =
      valueStart * start.data[i]! +
      valueMiddle * middle.data[i]! +
      valueEnd * end.data[i]! +
      dt * (slopeStart * fStart.data[i]! + slopeEnd * fEnd.data[i]!);
}

/** The five polynomials of degree 4 of which each has one of the five conditions 1 and the others 0. */
function basis(u: number): readonly [number, number, number, number, number] {
  const v = 1 - u;
  const w = 2 * u - 1;
  return [
    -v * v * w * (1 + 4 * u),
    16 * u * u * v * v,
    u * u * w * (1 + 4 * v),
    -u * v * v * w,
    -u * u * v * w,
  ];
}
