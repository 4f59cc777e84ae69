import type { SiTConfig } from '../models/sit/config.js';
import { sit } from '../models/sit/sit.js';
import { type Tensor, type Tensor1D, type Tensors, tf } from '../tensorflow/index.js';
import type { StepPoint } from './diffusion-loss.js';

/** Guidance that a model learns of its moving average. */
export interface ModelGuidance {
  readonly scale: number;
  /** Times, both included, at which targets are moved. */
  readonly interval: readonly number[];
}

/**
 * Difference that a model's output is to have from its target: (scale − 1) times that of the moving average's outputs
 * under the class and under none. Zero where a label is dropped, and outside the interval.
 *
 * @param average weights of the moving average
 * @returns a tensor of the output's shape
 * Source: Tang et al., "Diffusion models without classifier-free guidance", arXiv 2502.12154
 */
export function modelGuidanceShift(
  { scale, interval }: ModelGuidance,
  model: SiTConfig,
  average: Tensors,
  { x, t, y }: Pick<StepPoint, 'x' | 't' | 'y'>,
): Tensor {
  const [from, to] = interval as [number, number];
  const none: Tensor1D = tf.fill([t.size], model.classes, 'int32');
  const output = sit(average, model, tf.concat([x, x]), tf.concat([t, t]), tf.concat<Tensor1D>([y, none]));
  const [conditional, unconditional] = tf.split(output, 2) as [Tensor, Tensor];
  const isMoved = t.greaterEqual(from).logicalAnd(t.lessEqual(to)).logicalAnd(y.notEqual(none));
  const factor = isMoved.cast('float32').mul(scale - 1);
  return conditional.sub(unconditional).mul(factor.reshape([-1, 1, 1, 1]));
}
