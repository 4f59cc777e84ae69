import { type HostTensor, float32, sizeOf } from '../../tensorflow/index.js';
import { type Integration, stepsOf } from '../integrate.js';
import { timesOf } from '../times.js';
import { multistepWeights } from './adams-bashforth.js';

/** States and the field at the step's start. */
type Step<Inputs extends string> = (
  inputs: Readonly<Record<Inputs, HostTensor>>,
) => Promise<Readonly<Record<'x' | 'f', HostTensor>>>;

export interface MultistepIntegration extends Omit<Integration, 'step' | 'lastStep'> {
  /** At least 1; more than 4 is unstable for most fields. */
  readonly order: number;
  /** A step of a Runge–Kutta method of order `order` - 1 or more; unused where `order` is below 3. */
  readonly start: Step<'x' | 't' | 'dt'>;
  /** A program of `adamsBashforthStep`. */
  readonly step: Step<'x' | 't' | 'history' | 'weights'>;
}

/**
 * Follows a grid of times, equal or not, by Adams–Bashforth steps. The first `order` - 2 steps are Runge–Kutta steps of
 * order - 1 and the next has one step of history less: each is accurate enough for the whole to have the order.
 */
export async function integrateMultistep(integration: MultistepIntegration): Promise<HostTensor> {
  const { init, times, order, start, step, onStep, signal } = integration;
  let x = init;
  const history: HostTensor[] = [];
  for (const at of stepsOf(times)) {
    signal?.throwIfAborted();
    const { index, t, dt } = at;
    const inputs = { x, t: timesOf(x, t) };
    const used = Math.min(order, index + 1);
    const result =
      index < order - 2
        ? await start({ ...inputs, dt: float32([], Float32Array.of(dt)) })
        : await step({
            ...inputs,
            history: stack(history.slice(0, used - 1), x.shape),
            weights: float32(
              [used],
              Float32Array.from(multistepWeights(times.slice(index + 1 - used, index + 1).reverse(), t + dt)),
            ),
          });
    x = result.x;
    history.unshift(result.f);
    history.length = Math.min(history.length, order - 1);
    await onStep?.(x, at);
  }
  return x;
}

/** `[count, …shape]` */
function stack(tensors: readonly HostTensor[], shape: readonly number[]): HostTensor {
  const size = sizeOf(shape);
  const data = new Float32Array(tensors.length * size);
  for (const [i, tensor] of tensors.entries()) data.set(tensor.data, i * size);
  return float32([tensors.length, ...shape], data);
}
