import { formatLarge } from '../../base/format.js';
import type { AutoencoderConfig as StageConfig, PretrainedAutoencoderConfig } from '../../generated/index.js';
import { autoencoderParameters } from '../../models/autoencoder-kl/parameters.js';
import type { StageFact } from '../../runner/stage.js';
import { sizeOf } from '../../tensorflow/data-types.js';
import { modelConfig } from './config.js';

/** Describes the cost of an autoencoder that is trained; of a trained one its output tells. */
export function describeAutoencoder(config: StageConfig | PretrainedAutoencoderConfig): readonly StageFact[] {
  if ('weights' in config) return [];
  const parameters = autoencoderParameters(modelConfig(config));
  const count = parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  return [
    { label: 'parameters', value: formatLarge(count) },
    { label: 'steps', value: formatLarge(config.steps) },
    { label: 'images seen', value: formatLarge(config.steps * config.batch) },
  ];
}
