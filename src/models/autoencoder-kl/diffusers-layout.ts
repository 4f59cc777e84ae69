import type { Parameter } from '../../nn/parameters.js';
import { permute } from '../../nn/permute.js';
import { type HostTensor, float32 } from '../../tensorflow/index.js';

/** The shape that a parameter of ours has in diffusers' files: outputs first. */
export function diffusersShape({ shape }: Parameter): readonly number[] {
  return ours(shape).map((axis) => shape[axis]!);
}

/** A parameter's values from diffusers' layout into ours. */
export function fromDiffusers(values: Float32Array, parameter: Parameter): HostTensor {
  const order = ours(parameter.shape);
  const inverse = order.map((_, axis) => order.indexOf(axis));
  return float32(parameter.shape, permute(values, diffusersShape(parameter), inverse));
}

/** A parameter's values from our layout into diffusers'. */
export function toDiffusers(values: Float32Array, parameter: Parameter): HostTensor {
  return float32(diffusersShape(parameter), permute(values, parameter.shape, ours(parameter.shape)));
}

/** Our axes in diffusers' order: convolutions [h, w, in, out] → [out, in, h, w], linear maps [in, out] → [out, in]. */
function ours(shape: readonly number[]): readonly number[] {
  return shape.length === 4 ? [3, 2, 0, 1] : shape.length === 2 ? [1, 0] : [0];
}
