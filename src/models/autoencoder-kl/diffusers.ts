import type { Parameter } from '../../nn/parameter.js';
import { permute } from '../../formats/typed-arrays.js';
import { float32, type HostTensor } from '../../tensorflow/data-types.js';

/** Names of the parts of attention in diffusers before its version 0.18. */
const renamed: Readonly<Record<string, string | undefined>> = {
  query: 'to_q',
  key: 'to_k',
  value: 'to_v',
  proj_attn: 'to_out.0',
};

/** Today's name of a parameter of diffusers' AutoencoderKL; files of Stable Diffusion's first autoencoders have older ones. */
export function currentName(name: string): string {
  return name.replace(
    /(\.attentions\.\d+\.)(query|key|value|proj_attn)(?=\.)/,
    (_, before: string, part: string) => before + renamed[part]!,
  );
}

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
