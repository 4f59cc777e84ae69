import { existsSync } from 'node:fs';
import { resolve as resolvePath } from 'node:path';
import { UserError } from '../../base/errors.js';
import type {
  AutoencoderConfig,
  DrawConfig,
  EncodeConfig,
  PretrainedAutoencoderConfig,
  PretrainedConfig,
  TrainConfig,
} from '../../generated/index.js';
import { noAutoencoder, knownAutoencoder } from '../../models/autoencoder-kl/config.js';
import type { StageFact } from '../../runner/stage.js';
import type { Normalization } from '../../training/diffusion-loss.js';
import { differentScale, scaledNormalization } from '../../weights/model-source.js';
import { readSavedAutoencoder, readSavedModel } from '../../weights/saved-files.js';
import type { Resolve } from './planned.js';

interface Planning {
  readonly resolve: Resolve;
  /** Folder where paths of configurations start. */
  readonly folder: string;
}

/**
 * Warns where models were trained on latents of another scale than an autoencoder's, as far as both are known before
 * anything runs: from outputs, from configurations, and from files on this machine.
 *
 * @param models stages, or a file that a training starts from
 */
export async function scaleFacts(
  models: readonly (string | PretrainedConfig)[],
  autoencoder: string,
  planning: Planning,
): Promise<readonly StageFact[]> {
  const own = await scaleOfAutoencoder(autoencoder, planning);
  if (own === undefined) return [];
  const facts: StageFact[] = [];
  for (const model of models) {
    const trained = await scaleOfModel(model, planning);
    const name = typeof model === 'string' ? model : model.path;
    const value = trained && differentScale(name, trained, autoencoder, own);
    if (value !== undefined) facts.push({ label: 'warning', value });
  }
  return facts;
}

async function scaleOfModel(
  model: string | PretrainedConfig,
  planning: Planning,
): Promise<Normalization | undefined> {
  if (typeof model !== 'string') return scaleOfFile(model, planning);
  const { kind, config, output } = planning.resolve(model);
  if (output !== undefined) return (await readSavedModel(output.directory)).normalization;
  if (kind === 'pretrained') return scaleOfFile(config as unknown as PretrainedConfig, planning);
  const { start, latents, autoencoder } = config as unknown as TrainConfig;
  if (start !== undefined) return scaleOfModel(start, planning);
  const source = latents === undefined ? undefined : planning.resolve(latents);
  if (source?.kind === 'draw') return scaleOfModel((source.config as unknown as DrawConfig).model, planning);
  const encoder = source === undefined ? autoencoder : encoderOf(source);
  return encoder === undefined ? undefined : scaleOfAutoencoder(encoder, planning);
}

/** Autoencoder by whose scale latents are normalised: those of another program may go by what lies beside them. */
export function encoderOf({
  kind,
  config,
}: Pick<ReturnType<Resolve>, 'kind' | 'config'>): string | undefined {
  return kind === 'encode' ? (config as unknown as EncodeConfig).autoencoder : undefined;
}

async function scaleOfFile(
  config: PretrainedConfig,
  { folder }: Planning,
): Promise<Normalization | undefined> {
  const { openPlanned } = await import('../pretrained/open-pretrained.js');
  const source = await openPlanned(config, folder).catch(toldByItsStage);
  await source?.close();
  return source?.description.normalization;
}

/** Finds the scale; nothing where it is not known yet, and where latents are normalised by their own statistics. */
async function scaleOfAutoencoder(
  id: string,
  { resolve, folder }: Planning,
): Promise<Normalization | undefined> {
  const { config, output } = resolve(id);
  if (output !== undefined) {
    const { config: model, ...scale } = await readSavedAutoencoder(output.directory);
    return scale.scalingFactor === undefined ? undefined : scaledNormalization(model.latentChannels, scale);
  }
  const written = config as unknown as AutoencoderConfig | PretrainedAutoencoderConfig;
  if (!('weights' in written)) return undefined;
  const path = resolvePath(folder, written.weights);
  if (written.weights !== noAutoencoder && existsSync(path)) {
    const { openAutoencoderSource } = await import('../../weights/autoencoder-source.js');
    const source = await openAutoencoderSource(path, written).catch(toldByItsStage);
    await source?.close();
    return source?.scalingFactor === undefined
      ? undefined
      : scaledNormalization(source.config.latentChannels, source);
  }
  const known = knownAutoencoder(written.weights);
  return known && scaledNormalization(known.config.latentChannels, { ...known, ...defined(written) });
}

/** Passes over a file that cannot be used: of that the stage tells that takes it. */
function toldByItsStage(error: unknown): undefined {
  if (!(error instanceof UserError)) throw error;
}

const defined = ({ scalingFactor, shiftFactor }: PretrainedAutoencoderConfig) => ({
  ...(scalingFactor !== undefined && { scalingFactor }),
  ...(shiftFactor !== undefined && { shiftFactor }),
});
