import { type Tensor, after, tf } from '../tensorflow/index.js';
import { differentiable } from './differentiable.js';

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
