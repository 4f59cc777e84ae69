import type { Tensor } from '@tensorflow/tfjs';
import { Tracer } from './tracer.js';

/**
 * x, rounded as products of matrices would round it: in traces in bfloat16; x itself elsewhere. For what products take
 * and the gradient keeps, so that it is kept in half the memory. The gradient tape does not know of it: use it within
 * `tf.customGrad`.
 */
export function asFactor(x: Tensor): Tensor {
  return Tracer.current?.asFactor(x) ?? x;
}
