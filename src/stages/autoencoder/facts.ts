import { counted, formatBytes, formatLarge } from '../../base/format.js';
import { decodingBytes, keptBytes } from '../../data/images/rgb-image.js';
import type { AutoencoderConfig as StageConfig, PretrainedAutoencoderConfig } from '../../generated/index.js';
import { trainingBytes } from '../../models/autoencoder-kl/memory.js';
import { autoencoderParameters } from '../../models/autoencoder-kl/parameters.js';
import type { RuntimeConfig, StageFact } from '../../runner/stage.js';
import { sizeOf } from '../../tensorflow/data-types.js';
import { plannedImages, type Resolve } from '../shared/planned.js';
import { modelConfig } from './config.js';

/** Describes the cost of an autoencoder that is trained; of a trained one its output tells. */
export function describeAutoencoder(
  config: StageConfig | PretrainedAutoencoderConfig,
  resolve: Resolve,
  { workers }: Pick<RuntimeConfig, 'workers'>,
): readonly StageFact[] {
  if ('weights' in config) return [];
  const { size } = plannedImages(config.images, resolve);
  const batch = config.batch / workers;
  const bytes = trainingBytes(modelConfig(config), size, batch);
  const parameters = autoencoderParameters(modelConfig(config));
  const count = parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  return [
    { label: 'parameters', value: formatLarge(count) },
    {
      label: 'memory',
      bytes,
      value: `about ${formatBytes(bytes)} on a processor${workers > 1 ? ' a worker' : ''} for ${counted(batch, 'image')} at once, and up to ${formatBytes(decodingBytes)} to read images and ${formatBytes(keptBytes)} to keep them`,
    },
    { label: 'steps', value: formatLarge(config.steps) },
    { label: 'images seen', value: formatLarge(config.steps * config.batch) },
  ];
}
