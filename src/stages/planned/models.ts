import { knownAutoencoderModel } from '../../config/index.js';
import type {
  AutoencoderConfig as TrainedAutoencoder,
  PretrainedAutoencoderConfig,
  TrainConfig,
} from '../../config/generated/index.js';
import type { AutoencoderConfig } from '../../models/autoencoder-kl/config.js';
import type { SiTConfig } from '../../models/sit/config.js';
import { modelConfig as autoencoderConfig } from '../autoencoder/model-config.js';
import { readSavedAutoencoder } from '../autoencoder/saved-file.js';
import { modelConfig } from '../train/model-config.js';
import { readSavedModel } from '../train/saved-model.js';
import { type Resolve, plannedTrainingLatents } from './inputs.js';

/**
 * The model that a `train` or `pretrained` stage leaves: as its output has it, or as a training's configuration tells,
 * without rows of labels where classes are not counted yet. Nothing where neither tells.
 */
export async function plannedModel(id: string, resolve: Resolve): Promise<SiTConfig | undefined> {
  const { kind, config, output } = resolve(id);
  if (output !== undefined) return (await readSavedModel(output.directory)).config;
  if (kind !== 'train') return undefined;
  const training = config as unknown as TrainConfig;
  const latents = plannedTrainingLatents(training, resolve);
  return latents && modelConfig(training, { ...latents, classes: latents.classes ?? 0 });
}

/** The model of an `autoencoder` stage; nothing where it is not known. */
export async function plannedAutoencoderModel(
  id: string,
  resolve: Resolve,
): Promise<AutoencoderConfig | undefined> {
  const { config, output } = resolve(id);
  if (output !== undefined) return (await readSavedAutoencoder(output.directory)).config;
  const written = config as unknown as TrainedAutoencoder | PretrainedAutoencoderConfig;
  return 'weights' in written ? knownAutoencoderModel(written.weights) : autoencoderConfig(written);
}
