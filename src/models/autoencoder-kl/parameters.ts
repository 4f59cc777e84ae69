import { ones, type Parameter, uniform, xavier, zeros } from '../../nn/parameter.js';
import type { AutoencoderConfig } from './config.js';

/** Parameters of the autoencoder, in order of use, by diffusers' names. */
export function autoencoderParameters(config: AutoencoderConfig): Parameter[] {
  return config.channels.length === 0 ? [] : [...encoderParameters(config), ...decoderParameters(config)];
}

function encoderParameters(config: AutoencoderConfig): Parameter[] {
  const { latentChannels, channels, layersPerBlock } = config;
  const last = channels.at(-1)!;
  return [
    ...convolution('encoder.conv_in', 3, foldedChannels(config), channels[0]!),
    ...channels.flatMap((width, i) => [
      ...residuals(`encoder.down_blocks.${i}`, layersPerBlock, channels[i - 1] ?? width, width),
      ...(i < channels.length - 1
        ? convolution(`encoder.down_blocks.${i}.downsamplers.0.conv`, 3, width, width)
        : []),
    ]),
    ...middle('encoder', last),
    ...norm('encoder.conv_norm_out', last),
    ...convolution('encoder.conv_out', 3, last, 2 * latentChannels),
    ...(config.quantConvolution === false
      ? []
      : convolution('quant_conv', 1, 2 * latentChannels, 2 * latentChannels)),
  ];
}

function decoderParameters(config: AutoencoderConfig): Parameter[] {
  const { latentChannels, channels, layersPerBlock } = config;
  const widths = [...channels].reverse();
  return [
    ...(config.postQuantConvolution === false
      ? []
      : convolution('post_quant_conv', 1, latentChannels, latentChannels)),
    ...convolution('decoder.conv_in', 3, latentChannels, widths[0]!),
    ...middle('decoder', widths[0]!),
    ...widths.flatMap((width, i) => [
      ...residuals(`decoder.up_blocks.${i}`, layersPerBlock + 1, widths[i - 1] ?? width, width),
      ...(i < widths.length - 1
        ? convolution(`decoder.up_blocks.${i}.upsamplers.0.conv`, 3, width, width)
        : []),
    ]),
    ...norm('decoder.conv_norm_out', widths.at(-1)!),
    ...convolution('decoder.conv_out', 3, widths.at(-1)!, foldedChannels(config)),
  ];
}

function foldedChannels({ imageChannels, patchSize }: AutoencoderConfig): number {
  return imageChannels * patchSize ** 2;
}

function middle(side: string, width: number): Parameter[] {
  const attention = `${side}.mid_block.attentions.0`;
  return [
    ...residual(`${side}.mid_block.resnets.0`, width, width),
    ...norm(`${attention}.group_norm`, width),
    ...['to_q', 'to_k', 'to_v', 'to_out.0'].flatMap((name) => dense(`${attention}.${name}`, width)),
    ...residual(`${side}.mid_block.resnets.1`, width, width),
  ];
}

function residuals(name: string, count: number, inputs: number, outputs: number): Parameter[] {
  return Array.from({ length: count }, (_, i) =>
    residual(`${name}.resnets.${i}`, i === 0 ? inputs : outputs, outputs),
  ).flat();
}

function residual(name: string, inputs: number, outputs: number): Parameter[] {
  return [
    ...norm(`${name}.norm1`, inputs),
    ...convolution(`${name}.conv1`, 3, inputs, outputs),
    ...norm(`${name}.norm2`, outputs),
    ...convolution(`${name}.conv2`, 3, outputs, outputs),
    ...(inputs === outputs ? [] : convolution(`${name}.conv_shortcut`, 1, inputs, outputs)),
  ];
}

function convolution(name: string, size: number, inputs: number, outputs: number): Parameter[] {
  // PyTorch's start of a convolution: uniform in ±1/√(inputs that each output sees).
  const start = uniform(1 / Math.sqrt(size * size * inputs));
  return [
    { name: `${name}.weight`, shape: [size, size, inputs, outputs], initial: start },
    { name: `${name}.bias`, shape: [outputs], initial: start },
  ];
}

function dense(name: string, width: number): Parameter[] {
  return [
    { name: `${name}.weight`, shape: [width, width], initial: xavier(width, width) },
    { name: `${name}.bias`, shape: [width], initial: zeros },
  ];
}

function norm(name: string, width: number): Parameter[] {
  return [
    { name: `${name}.weight`, shape: [width], initial: ones },
    { name: `${name}.bias`, shape: [width], initial: zeros },
  ];
}
