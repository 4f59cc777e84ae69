import { join } from 'node:path';
import { readWholeText } from '../../base/files.js';
import { writeFileWhole } from '../../base/output-file.js';
import { LatentDataset } from '../../data/latents/dataset.js';
import type { TrainConfig } from '../../generated/index.js';
import type { StageContext } from '../../runner/stage.js';
import type { Normalization } from '../../training/diffusion-loss.js';
import type { ModelDescription } from '../../weights/model-source.js';
import { Autoencoder } from '../../weights/saved-autoencoder.js';
import { openImages } from '../images/open.js';
import type { TrainingData } from './batches.js';
import { EncodedImages, measureLatents } from './encoded-images.js';

/**
 * Opens what a stage trains on: stored latents, or images with the autoencoder that encodes them.
 *
 * @param start the model to start from, whose normalization is taken where it knows latents of as many channels; without
 *   it what the autoencoder asks for, or else the statistics of the latents
 */
export async function openTrainingData(
  config: TrainConfig,
  context: StageContext,
  start?: Pick<ModelDescription, 'config' | 'normalization'>,
): Promise<TrainingData> {
  const normalizationOf = (channels: number) =>
    start?.config.channels === channels ? start.normalization : undefined;
  if (config.latents !== undefined)
    return storedLatents(context.input(config.latents).directory, normalizationOf);
  const images = await openImages(config.images!, context);
  const { directory } = context.input(config.autoencoder!);
  const autoencoder = await Autoencoder.open(directory, context.runtime);
  const data = new EncodedImages(images, autoencoder, { ...config, seed: context.seed });
  const { count, shape, classes, labels, readingBytes } = data;
  return {
    ...{ count, shape, classes, labels, readingBytes },
    normalization:
      normalizationOf(shape[2]) ??
      autoencoder.normalization ??
      (await keptMeasurement(data, context.directory)),
    read: (draws, out) => data.read(draws, out),
    close: () => data.close(),
  };
}

/** Statistics of latents, measured once and kept for sessions that go on. */
async function keptMeasurement(data: EncodedImages, directory: string): Promise<Normalization> {
  const path = join(directory, 'latent-statistics.json');
  const kept = await readWholeText(path).catch(() => undefined);
  const known = kept === undefined ? undefined : normalizationIn(kept);
  if (known !== undefined) return known;
  const statistics = await measureLatents(data);
  await writeFileWhole(path, JSON.stringify(statistics, undefined, 1) + '\n');
  return statistics;
}

/** Parses kept statistics; undefined for a text that is none, which is measured again. */
function normalizationIn(text: string): Normalization | undefined {
  try {
    const { mean, std } = JSON.parse(text) as Partial<Normalization>;
    return Array.isArray(mean) && Array.isArray(std) ? { mean, std } : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Latents that an `encode` stage has stored.
 *
 * @param given how they are normalised, by their channels, where not by their own statistics
 */
async function storedLatents(
  directory: string,
  given: (channels: number) => Normalization | undefined = () => undefined,
): Promise<TrainingData> {
  const latents = await LatentDataset.open(directory);
  const { count, shape, classes, labels, index } = latents;
  return {
    count,
    shape,
    classes,
    labels,
    normalization: given(shape[2]) ?? index.normalization,
    readingBytes: 0,
    read: (draws, out) =>
      latents.readBatch(
        draws.map((draw) => draw.index),
        out,
        draws.map(({ flipped }) => flipped),
      ),
    close: () => latents.close(),
  };
}
