import { type Tensor, fused } from '../tensorflow/index.js';

/** Sums over all axes but the last: [..., channels] → [channels]. No gradient of its own. */
export function sumOfRows(x: Tensor): Tensor {
  return columnSums(x.reshape([-1, x.shape.at(-1)!]))[0];
}

const columnSums = fused('sum_of_rows', (x: Tensor) => [x.sum(0)] as const);
