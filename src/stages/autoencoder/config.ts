import type { AutoencoderConfig as StageConfig } from '../../generated/index.js';
import type { AutoencoderConfig } from '../../models/autoencoder-kl/config.js';

/** The model of a stage. What `downsample` asks for beyond the halvings between resolutions is folded into channels. */
export function modelConfig({
  latentChannels,
  channels,
  layersPerBlock,
  normGroups,
  downsample,
}: StageConfig): AutoencoderConfig {
  const patchSize = downsample / 2 ** (channels.length - 1);
  return { imageChannels: 3, latentChannels, channels, layersPerBlock, normGroups, patchSize };
}
