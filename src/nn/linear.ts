import { type Tensor, tf } from '../tensorflow/index.js';
import { differentiable } from './differentiable.js';
import { sumOfRows } from './reductions.js';

/** x·W + b over the last axis: [..., inputs] → [..., outputs]. `weight` is [inputs, outputs], `bias` [outputs]. */
export function linear(x: Tensor, weight: Tensor, bias: Tensor): Tensor {
  return overRows(x, weight, (rows) => biasedProduct(rows, weight, bias));
}

/** x·W over the last axis. */
export function product(x: Tensor, weight: Tensor): Tensor {
  return overRows(x, weight, (rows) => tf.matMul(rows, weight));
}

function overRows(x: Tensor, weight: Tensor, multiply: (rows: Tensor) => Tensor): Tensor {
  const [inputs, outputs] = weight.shape as [number, number];
  return multiply(x.reshape([-1, inputs])).reshape([...x.shape.slice(0, -1), outputs]);
}

/**
 * The gradient keeps x and the weight alone. TensorFlow's rewriting makes one operation of the product and its bias;
 * tfjs's own, `_FusedMatMul`, reads beyond its memory on WebAssembly.
 */
const biasedProduct = differentiable((x: Tensor, weight: Tensor, bias: Tensor) => ({
  value: tf.matMul(x, weight).add(bias),
  saved: [x, weight],
  gradient: (dy: Tensor, saved: Tensor[]) => {
    const [x, weight] = saved as [Tensor, Tensor];
    return [tf.matMul(dy, weight, false, true), tf.matMul(x, dy, true, false), sumOfRows(dy)];
  },
}));
