import { type Tensor, fused } from '../tensorflow/index.js';

/** The gradient by a softmax's argument, over the last axis, from the softmax's value y and the gradient by it. */
export function softmaxGradient(dy: Tensor, y: Tensor): Tensor {
  return gradient(dy, y)[0];
}

const gradient = fused(
  'softmax_gradient',
  (dy: Tensor, y: Tensor) => [dy.sub(dy.mul(y).sum(-1, true)).mul(y)] as const,
);
