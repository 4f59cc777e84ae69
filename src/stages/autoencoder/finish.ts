import { join, relative } from 'node:path';
import type { AutoencoderConfig as StageConfig } from '../../config/generated/index.js';
import { type ImageDataset, type RgbImage, imageGrid, writePng } from '../../data/images/index.js';
import { toBytes, toPixels } from '../../data/images/pixels.js';
import { type AutoencoderConfig, downsampleOf } from '../../models/autoencoder-kl/config.js';
import type { StageContext, StageEvent } from '../../pipeline/stage.js';
import { float32 } from '../../tensorflow/index.js';
import { checkpointPath, groupPath } from '../../training/checkpoint.js';
import { checkpointFolder } from '../training-stream.js';
import { Autoencoder } from './saved-autoencoder.js';
import { writeSavedAutoencoder } from './saved-file.js';

/** Images that are shown beside their reconstructions. */
const shown = 32;
const columns = 16;

/** Writes the autoencoder's description and a picture of reconstructions, and tells how good they are. */
export async function finishAutoencoder(
  config: StageConfig,
  model: AutoencoderConfig,
  images: ImageDataset,
  context: StageContext,
): Promise<StageEvent> {
  const checkpoint = checkpointPath(checkpointFolder(context.directory), config.steps);
  const weights = relative(context.directory, groupPath(checkpoint, 'average'));
  await writeSavedAutoencoder(context.directory, { config: model, weights });
  const autoencoder = await Autoencoder.open(context.directory, context.runtime);
  try {
    const psnr = await reconstruct(autoencoder, images, join(context.directory, 'reconstructions.png'));
    return {
      type: 'summary',
      values: {
        steps: config.steps,
        latentChannels: model.latentChannels,
        downsample: downsampleOf(model),
        peakSignalToNoiseDb: Math.round(psnr * 100) / 100,
        picture: 'reconstructions.png',
      },
    };
  } finally {
    await autoencoder.close();
  }
}

/** Draws originals above their reconstructions; returns the peak signal-to-noise ratio in decibels. */
async function reconstruct(autoencoder: Autoencoder, images: ImageDataset, path: string): Promise<number> {
  const { size } = images;
  const count = Math.min(shown, images.count);
  // Spread evenly over the set, and so over its classes.
  const chosen = Array.from({ length: count }, (_, i) => Math.floor(((i + 0.5) * images.count) / count));
  const originals = await Promise.all(chosen.map((index) => images.read(index)));
  const length = size * size * 3;
  const pixels = new Float32Array(count * length);
  originals.forEach((original, i) => {
    toPixels(original, size, pixels, i * length);
  });
  const { mean } = await autoencoder.encode(float32([count, size, size, 3], pixels));
  const decoded = toBytes((await autoencoder.decode(mean)).data as Float32Array);
  const reconstructions = originals.map((_, i) => decoded.subarray(i * length, (i + 1) * length));
  const image = (data: Uint8Array): RgbImage => ({ width: size, height: size, data });
  const rows = Array.from({ length: Math.ceil(count / columns) }, (_, row) => {
    const part = [row * columns, (row + 1) * columns] as const;
    return [...padded(originals.slice(...part)), ...padded(reconstructions.slice(...part))];
  });
  const blank = new Uint8Array(length).fill(255);
  const tiles = rows.flat().map((data) => image(data ?? blank));
  await writePng(path, imageGrid(tiles, { columns, scale: Math.max(1, Math.round(64 / size)) }));
  return peakSignalToNoise(originals, reconstructions);
}

function padded(row: readonly Uint8Array[]): (Uint8Array | undefined)[] {
  return Array.from({ length: columns }, (_, i) => row[i]);
}

function peakSignalToNoise(originals: readonly Uint8Array[], reconstructions: readonly Uint8Array[]): number {
  let squares = 0;
  let count = 0;
  originals.forEach((original, i) => {
    original.forEach((value, j) => (squares += (value - reconstructions[i]![j]!) ** 2));
    count += original.length;
  });
  return 10 * Math.log10(255 ** 2 / (squares / count));
}
