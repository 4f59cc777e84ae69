import { float32, type HostTensor, sizeOf, type Tensor, tf } from '../../tensorflow/index.js';
import type { VectorField } from '../../transport/index.js';
import { allRows, integrate, type Integration, putRows, type StepTime, timesOf } from '../integrate.js';
import type { PhaseStep } from '../phases.js';

/** States and the field at the step's start. */
type Step<Inputs extends string> = (
  inputs: Readonly<Record<Inputs, HostTensor>>,
  at: StepTime,
  rows: readonly number[],
) => Promise<Readonly<Record<'x' | 'f', HostTensor>>>;

/** Programs of Adams–Bashforth steps, for one model. */
export interface MultistepPrograms {
  /** A step of a Runge–Kutta method of order `order` - 1 or more; unused where `order` is below 3. */
  readonly start: Step<'x' | 't' | 'dt'>;
  /** A program of `adamsBashforthStep`. */
  readonly step: Step<'x' | 't' | 'history' | 'weights'>;
}

export interface MultistepIntegration extends Omit<Integration, 'step' | 'lastStep'>, MultistepPrograms {
  /** Number of fields to use, at least 1; more than 4 is unstable for most fields. */
  readonly order: number;
}

/**
 * Follows a grid of times, equal or not, by Adams–Bashforth steps. The first `order` - 2 steps are Runge–Kutta steps of
 * order - 1 and the next has one step of history less: each is accurate enough for the whole to have the order.
 */
export function integrateMultistep(integration: MultistepIntegration): Promise<HostTensor> {
  const { init, times, order, start, step } = integration;
  const history = new MultistepHistory(init, times, order);
  const rows = allRows(init);
  return integrate({ ...integration, step: (x, at) => history.step({ start, step }, x, at, rows) });
}

/**
 * The field at a batch's earlier steps, whichever model they were made by. Every sample takes every step, in any
 * sub-batches.
 */
export class MultistepHistory {
  /** Field at the start of each step, of every sample. */
  private readonly slopes = new Map<number, Float32Array>();
  private readonly size: number;

  constructor(
    private readonly states: Pick<HostTensor, 'shape'>,
    private readonly times: readonly number[],
    private readonly order: number,
  ) {
    this.size = sizeOf(states.shape.slice(1));
  }

  /** The steps of one model, for phases. */
  by(programs: MultistepPrograms): PhaseStep {
    return (x, at, rows) => this.step(programs, x, at, rows);
  }

  async step(
    programs: MultistepPrograms,
    x: HostTensor,
    at: StepTime,
    rows: readonly number[],
  ): Promise<HostTensor> {
    const { index, t, dt } = at;
    const inputs = { x, t: timesOf(x, t) };
    const { x: next, f } =
      index < this.order - 2
        ? await programs.start({ ...inputs, dt: float32([], Float32Array.of(dt)) }, at, rows)
        : await programs.step({ ...inputs, ...this.past(at, rows) }, at, rows);
    this.remember(index, f, rows);
    return next;
  }

  /** Earlier fields to look back on, with the weight of each. */
  private past(
    { index, t, dt }: StepTime,
    rows: readonly number[],
  ): Record<'history' | 'weights', HostTensor> {
    const used = Math.min(this.order, index + 1);
    const { size } = this;
    const history = new Float32Array(rows.length * (used - 1) * size);
    for (let back = 1; back < used; back++) {
      const slopes = this.slopes.get(index - back)!;
      for (const [i, row] of rows.entries())
        history.set(slopes.subarray(row * size, (row + 1) * size), (i * (used - 1) + back - 1) * size);
    }
    const each = multistepWeights(this.times.slice(index + 1 - used, index + 1).reverse(), t + dt);
    return {
      history: float32([rows.length, used - 1, ...this.states.shape.slice(1)], history),
      weights: float32([rows.length, used], Float32Array.from(rows.flatMap(() => each))),
    };
  }

  private remember(index: number, f: HostTensor, rows: readonly number[]): void {
    let slopes = this.slopes.get(index);
    if (slopes === undefined) {
      slopes = new Float32Array(sizeOf(this.states.shape));
      this.slopes.set(index, slopes);
      this.slopes.delete(index - this.order);
    }
    putRows(f, rows, slopes);
  }
}

// A type, not an interface: it is a program's record of inputs.
// eslint-disable-next-line @typescript-eslint/consistent-type-definitions
export type MultistepInputs = {
  /** `[batch, …]` */
  readonly x: Tensor;
  /** `[batch]` */
  readonly t: Tensor;
  /** The field at earlier steps, latest first: `[batch, steps, …]`; steps may be 0. */
  readonly history: Tensor;
  /** Weights from `multistepWeights`, for each sample: `[batch, steps + 1]`. */
  readonly weights: Tensor;
};

/**
 * Adams–Bashforth: the integral of the polynomial through the field here and at earlier steps. As many steps as are
 * used are its order; one evaluation a step.
 *
 * Source: Hairer, Nørsett and Wanner, III.1 and (unequal steps) III.5.
 */
export function adamsBashforthStep(
  field: VectorField,
  { x, t, history, weights }: MultistepInputs,
): { x: Tensor; f: Tensor } {
  return tf.tidy(() => {
    const f = field(x, t);
    const here = f.expandDims(1);
    const slopes = history.shape[1] === 0 ? here : tf.concat([here, history], 1);
    const shape = [...weights.shape, ...x.shape.slice(1).map(() => 1)];
    return { x: tf.add(x, tf.sum(tf.mul(slopes, weights.reshape(shape)), 1)), f };
  });
}

/**
 * Weights of the field at each of `times` (this step's start first, then earlier ones) in the step to `next`: ∫ of each
 * one's Lagrange polynomial. Equal steps of size h give h·[3/2, -1/2] for two, and so on.
 */
export function multistepWeights(times: readonly number[], next: number): number[] {
  const [start = 0] = times;
  const step = next - start;
  const nodes = times.map((time) => (time - start) / step);
  return nodes.map((node, i) => {
    let polynomial = [1];
    for (const [j, other] of nodes.entries())
      if (j !== i) polynomial = timesLinear(polynomial, -other / (node - other), 1 / (node - other));
    return step * polynomial.reduce((sum, coefficient, power) => sum + coefficient / (power + 1), 0);
  });
}

/** The product of a polynomial (coefficients by ascending power) with constant + slope·u. */
function timesLinear(polynomial: readonly number[], constant: number, slope: number): number[] {
  return Array.from(
    { length: polynomial.length + 1 },
    (_, power) => constant * (polynomial[power] ?? 0) + slope * (polynomial[power - 1] ?? 0),
  );
}
