import type { Tensor } from '../tensorflow/index.js';
import { tf } from '../tensorflow/index.js';

/** x·W + b over the last axis: [..., inputs] → [..., outputs]. `weight` is [inputs, outputs], `bias` [outputs]. */
export function linear(x: Tensor, weight: Tensor, bias: Tensor): Tensor {
  const inputs = x.shape.at(-1)!;
  const flat = tf.matMul(x.reshape([-1, inputs]), weight).add(bias);
  return flat.reshape([...x.shape.slice(0, -1), weight.shape[1]!]);
}
