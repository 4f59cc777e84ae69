import { after, type Tensor, tf } from '../tensorflow/index.js';

/** A function's value, what its gradient needs of it, and that gradient. */
interface Differentiable<G extends Tensor | Tensor[]> {
  readonly value: Tensor;
  readonly saved: readonly Tensor[];
  readonly gradient: (dy: Tensor, saved: Tensor[]) => G;
}

/**
 * A function of tensors with a gradient written by hand, so that only what `saved` lists lives until the
 * backward pass. The gradient returns one tensor for each argument.
 */
export function differentiable<A extends Tensor[], G extends Tensor | Tensor[]>(
  f: (...args: A) => Differentiable<G>,
): (...args: A) => Tensor {
  const custom = tf.customGrad((...all: unknown[]) => {
    const save = all.pop() as (tensors: Tensor[]) => void;
    const { value, saved, gradient } = f(...(all as A));
    save([...saved]);
    return { value, gradFunc: gradient };
  });
  return (...args) => custom(...args);
}

/**
 * f, of which the gradient keeps only the arguments, and computes f anew: less memory for more time.
 * `f` uses no tensors but its arguments and constants. Source: Chen et al., arXiv 1604.06174.
 */
export function recomputed(f: (...args: Tensor[]) => Tensor): (...args: Tensor[]) => Tensor {
  return differentiable((...args: Tensor[]) => ({
    value: f(...args),
    saved: args,
    gradient: (dy: Tensor, saved: Tensor[]) =>
      withTapeKept(() =>
        tf.grads(f)(
          saved.map((x) => after(x, dy)),
          dy,
        ),
      ),
  }));
}

/** Takes gradients within a gradient: tfjs would forget the tape of the outer ones. */
function withTapeKept<T>(gradients: () => T): T {
  const { state } = tf.engine();
  const { activeTape } = state;
  try {
    return gradients();
  } finally {
    state.activeTape = activeTape;
  }
}
