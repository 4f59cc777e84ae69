import { type AutoencoderFacts, knownAutoencoder } from '../../config/index.js';
import type {
  AutoencoderConfig,
  EncodeConfig,
  ImagesConfig,
  PretrainedAutoencoderConfig,
  TrainConfig,
} from '../../config/generated/index.js';
import type { PlannedInput } from '../../pipeline/stage.js';

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

export function plannedImages(id: string, resolve: Resolve): PlannedImages {
  const { config, output } = resolve(id);
  const { size, classes } = config as unknown as ImagesConfig;
  const summary = output?.summary as { images?: number; classes?: readonly string[] } | undefined;
  const names = summary?.classes ?? classes;
  return {
    size,
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
  const source =
    latents === undefined
      ? { images: images!, autoencoder: autoencoder! }
      : (resolve(latents).config as unknown as EncodeConfig);
  return plannedLatents(source, resolve);
}

function plannedAutoencoder(id: string, resolve: Resolve): AutoencoderFacts | undefined {
  const { config, output } = resolve(id);
  const written = config as unknown as AutoencoderConfig | PretrainedAutoencoderConfig;
  if (!('weights' in written)) return written;
  if (output !== undefined) return output.summary as unknown as AutoencoderFacts;
  return knownAutoencoder(written.weights);
}
