import { type Tensor, tf } from '../tensorflow/index.js';

/** A function's value, what its gradient needs of it, and that gradient. */
export interface Differentiable<G extends Tensor | Tensor[]> {
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
