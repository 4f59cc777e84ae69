import type { Tensor } from '@tensorflow/tfjs';
import { Tracer } from './tracer.js';

/**
 * x, but in a graph not before `first` has been computed: what is computed from it is not taken for the same as what
 * is computed from x elsewhere, and does not live before it is needed. No gradient of its own.
 */
export function after(x: Tensor, first: Tensor): Tensor {
  return Tracer.current?.after(x, first) ?? x;
}
