import { formatBytes, formatLarge } from '../../base/format.js';
import { decodingBytes } from '../../data/images/rgb-image.js';
import type { EncodeConfig } from '../../generated/index.js';
import type { StageFact } from '../../runner/stage.js';
import { plannedLatents, type Resolve } from '../shared/planned.js';

/** Describes the output of encoding, as far as configurations and cached outputs tell. */
export function describeEncode(config: EncodeConfig, resolve: Resolve): readonly StageFact[] {
  const latents = plannedLatents(config, resolve);
  if (latents === undefined) return [];
  const { latentSize, channels, count } = latents;
  // Mean and standard deviation; those of some classes' mirror images are not counted in, as it is not known how many.
  const each = 2 * latentSize ** 2 * channels * (config.dtype === 'float16' ? 2 : 4);
  const bytes = each * (config.flips === true ? 2 : 1);
  return [
    {
      label: 'latents',
      value: `${latentSize} × ${latentSize} × ${channels}, ${formatBytes(bytes)} an image`,
    },
    ...(count === undefined
      ? []
      : [{ label: 'disk', value: `${formatBytes(count * bytes)} for ${formatLarge(count)} images` }]),
    {
      label: 'memory',
      value: `up to ${formatBytes(config.autoencoderMemoryMiB * 2 ** 20)} to encode and ${formatBytes(decodingBytes)} to read images of any size, beside TensorFlow and the weights`,
    },
  ];
}
