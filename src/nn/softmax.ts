import { type Tensor, asFactor, fused, tf } from '../tensorflow/index.js';

/**
 * Softmax over the last axis of x, or of x + bias, of which products are made. No gradient of its own:
 * `softmaxGradient` is it.
 */
export function softmax(x: Tensor, bias?: Tensor): Tensor {
  return bias === undefined ? asFactor(tf.softmax(x)) : biased(x, bias)[0];
}

const biased = fused(
  'biased_softmax',
  (x: Tensor, bias: Tensor) => [asFactor(tf.softmax(x.add(bias)))] as const,
);

/** The gradient by a softmax's argument, over the last axis, from the softmax's value y and the gradient by it. */
export function softmaxGradient(dy: Tensor, y: Tensor): Tensor {
  return gradient(dy, y)[0];
}

const gradient = fused(
  'softmax_gradient',
  (dy: Tensor, y: Tensor) => [asFactor(dy.sub(dy.mul(y).sum(-1, true)).mul(y))] as const,
);
