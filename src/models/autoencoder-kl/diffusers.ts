import type { Parameter } from '../../nn/parameter.js';
import { permute } from '../../formats/typed-arrays.js';
import { float32, type HostTensor } from '../../tensorflow/data-types.js';
import type { AutoencoderConfig } from './config.js';

/** Names of the parts of attention in diffusers before its version 0.18. */
const renamed: Readonly<Record<string, string | undefined>> = {
  query: 'to_q',
  key: 'to_k',
  value: 'to_v',
  proj_attn: 'to_out.0',
};

/**
 * Today's name of a parameter of diffusers' AutoencoderKL, from one of three: its own, the older one of diffusers in files
 * of Stable Diffusion's first autoencoders, and that of the code of latent diffusion, which FLUX has kept.
 *
 * @param resolutions of the model: latent diffusion numbers those of the decoder from the finest
 */
export function currentName(name: string, resolutions: number): string {
  return name
    .replace(
      /(\.attentions\.\d+\.)(query|key|value|proj_attn)(?=\.)/,
      (_, before: string, part: string) => before + renamed[part]!,
    )
    .replace(
      /^(encoder|decoder)\.mid\.block_(\d)\./,
      (_, side: string, i: string) => `${side}.mid_block.resnets.${Number(i) - 1}.`,
    )
    .replace(
      /^(encoder|decoder)\.mid\.attn_1\.(\w+)(?=\.)/,
      (_, side: string, part: string) => `${side}.mid_block.attentions.0.${attentionParts[part] ?? part}`,
    )
    .replace(/^encoder\.down\.(\d+)\.block\./, 'encoder.down_blocks.$1.resnets.')
    .replace(/^encoder\.down\.(\d+)\.downsample\./, 'encoder.down_blocks.$1.downsamplers.0.')
    .replace(/^decoder\.up\.(\d+)\.(block|upsample)\./, (_, i: string, part: string) => {
      const block = `decoder.up_blocks.${resolutions - 1 - Number(i)}`;
      return part === 'block' ? `${block}.resnets.` : `${block}.upsamplers.0.`;
    })
    .replace(/\.nin_shortcut\./, '.conv_shortcut.')
    .replace(/^(encoder|decoder)\.norm_out\./, '$1.conv_norm_out.');
}

/** Names of the parts of attention in the code of latent diffusion, which computes them by convolutions of one pixel. */
const attentionParts: Readonly<Record<string, string | undefined>> = {
  ...{ norm: 'group_norm', q: 'to_q', k: 'to_k', v: 'to_v', proj_out: 'to_out.0' },
};

/** The shape of a parameter of diffusers, by its name: linear maps of attention may be stored as convolutions of one pixel. */
export function currentShape(name: string, shape: readonly number[]): readonly number[] {
  const isMap = name.includes('.attentions.0.to_') && shape.length === 4 && shape[2] === 1 && shape[3] === 1;
  return isMap ? shape.slice(0, 2) : shape;
}

/** Groups of normalisation that every autoencoder of latent diffusion and diffusers has, unless a configuration says so. */
const usualGroups = 32;

/**
 * Sizes of an autoencoder, from the shapes of its parameters by today's names.
 *
 * @returns nothing where they are not an autoencoder's
 */
export function inferAutoencoder(
  shapes: ReadonlyMap<string, readonly number[]>,
): AutoencoderConfig | undefined {
  const widths = (i: number) => shapes.get(`encoder.down_blocks.${i}.resnets.0.conv1.weight`)?.[0];
  const channels: number[] = [];
  for (let width = widths(0); width !== undefined; width = widths(channels.length)) channels.push(width);
  const latentChannels = shapes.get('decoder.conv_in.weight')?.[1];
  const imageChannels = shapes.get('encoder.conv_in.weight')?.[1];
  if (channels.length === 0 || latentChannels === undefined || imageChannels === undefined) return undefined;
  let layersPerBlock = 0;
  while (shapes.has(`encoder.down_blocks.0.resnets.${layersPerBlock}.conv1.weight`)) layersPerBlock++;
  return {
    ...{ imageChannels, latentChannels, channels, layersPerBlock, normGroups: usualGroups, patchSize: 1 },
    ...(!shapes.has('quant_conv.weight') && { quantConvolution: false }),
    ...(!shapes.has('post_quant_conv.weight') && { postQuantConvolution: false }),
  };
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
