import type {
  AutoencoderConfig,
  DrawConfig,
  EncodeConfig,
  ImagesConfig,
  PretrainedAutoencoderConfig,
  TrainConfig,
} from '../../generated/index.js';
import {
  type AutoencoderConfig as AutoencoderShape,
  type AutoencoderFacts,
  factsOf,
  knownAutoencoder,
} from '../../models/autoencoder-kl/config.js';
import type { SiTConfig } from '../../models/sit/config.js';
import type { PlannedInput } from '../../runner/stage.js';
import { readSavedAutoencoder, readSavedModel } from '../../weights/saved-files.js';
import { modelConfig as autoencoderConfig } from '../autoencoder/config.js';
import { configuredClasses } from '../images/facts.js';
import { modelConfig } from '../train/config.js';

/** Gives a referenced stage by its id, before anything runs. */
export type Resolve = (stage: string) => PlannedInput;

/** Images, as far as is known before anything runs. */
export interface PlannedImages {
  readonly size: number;
  /** Known once the images were found. */
  readonly count?: number;
  readonly classes?: number;
  /** Their names, by label. */
  readonly classNames?: readonly string[];
}

/** Latents, as far as is known before anything runs. */
export interface PlannedLatents extends PlannedImages {
  /** Width and height of a latent. */
  readonly latentSize: number;
  readonly channels: number;
}

/** Images of a stage. */
export function plannedImages(id: string, resolve: Resolve): PlannedImages {
  const { config, output, foreseen } = resolve(id);
  const images = config as unknown as ImagesConfig;
  const summary = (output?.summary ?? foreseen) as
    { images?: number; classes?: readonly string[] } | undefined;
  const names = summary?.classes ?? configuredClasses(images);
  return {
    size: images.size,
    ...(summary?.images !== undefined && { count: summary.images }),
    ...(names && { classes: names.length, classNames: names }),
  };
}

/** Latents of images by an autoencoder; nothing where it is not known how that one makes them. */
export function plannedLatents(
  { images, autoencoder }: Pick<EncodeConfig, 'images' | 'autoencoder'>,
  resolve: Resolve,
): PlannedLatents | undefined {
  const facts = plannedAutoencoder(autoencoder, resolve);
  if (facts === undefined) return undefined;
  const found = plannedImages(images, resolve);
  return { ...found, latentSize: found.size / facts.downsample, channels: facts.latentChannels };
}

/** Latents that a `train` stage trains on. */
export function plannedTrainingLatents(
  { latents, images, autoencoder }: Pick<TrainConfig, 'latents' | 'images' | 'autoencoder'>,
  resolve: Resolve,
): PlannedLatents | undefined {
  if (latents === undefined) return plannedLatents({ images: images!, autoencoder: autoencoder! }, resolve);
  const { kind, config, output, foreseen } = resolve(latents);
  if (kind === 'latents') return foundLatents(output?.summary ?? foreseen);
  if (kind === 'draw')
    return foundLatents(output?.summary) ?? drawnLatents(config as unknown as DrawConfig, resolve);
  return plannedLatents(config as unknown as EncodeConfig, resolve);
}

/** Latents that a model will draw, where it is known what it is trained on. */
function drawnLatents({ model, count }: DrawConfig, resolve: Resolve): PlannedLatents | undefined {
  const { kind, config } = resolve(model);
  const own =
    kind === 'train' ? plannedTrainingLatents(config as unknown as TrainConfig, resolve) : undefined;
  return own && { ...own, count };
}

/** Latents of another program or of a model, once they are there. */
function foundLatents(summary: object | undefined): PlannedLatents | undefined {
  if (summary === undefined) return undefined;
  const { latents, shape, classes } = summary as {
    latents: number;
    shape: readonly [number, number, number];
    classes: readonly string[];
  };
  const [latentSize, , channels] = shape;
  return {
    size: latentSize,
    latentSize,
    channels,
    count: latents,
    classes: classes.length,
    classNames: classes,
  };
}

function plannedAutoencoder(id: string, resolve: Resolve): AutoencoderFacts | undefined {
  const { config, output, foreseen } = resolve(id);
  const written = config as unknown as AutoencoderConfig | PretrainedAutoencoderConfig;
  if (!('weights' in written)) return written;
  if (output !== undefined) return output.summary as unknown as AutoencoderFacts;
  const model = foreseen?.model as unknown as AutoencoderShape | undefined;
  if (model !== undefined) return factsOf({ config: model });
  const known = knownAutoencoder(written.weights);
  return known && factsOf(known);
}

/**
 * The model that a `train` or `pretrained` stage leaves: as its output has it, or as a training's configuration tells,
 * without rows of labels where classes are not counted yet. Nothing where neither tells.
 */
export async function plannedModel(id: string, resolve: Resolve): Promise<SiTConfig | undefined> {
  const { kind, config, output, foreseen } = resolve(id);
  if (output !== undefined) return (await readSavedModel(output.directory)).config;
  if (kind !== 'train') return foreseen?.model as unknown as SiTConfig | undefined;
  const training = config as unknown as TrainConfig;
  const latents = plannedTrainingLatents(training, resolve);
  return latents && modelConfig(training, { ...latents, classes: latents.classes ?? 0 });
}

/** The model of an `autoencoder` stage; nothing where it is not known. */
export async function plannedAutoencoderModel(
  id: string,
  resolve: Resolve,
): Promise<AutoencoderShape | undefined> {
  const { config, output, foreseen } = resolve(id);
  if (output !== undefined) return (await readSavedAutoencoder(output.directory)).config;
  const written = config as unknown as AutoencoderConfig | PretrainedAutoencoderConfig;
  if (!('weights' in written)) return autoencoderConfig(written);
  return (
    (foreseen?.model as unknown as AutoencoderShape | undefined) ?? knownAutoencoder(written.weights)?.config
  );
}
