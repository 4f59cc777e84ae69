import { LatentDataset } from '../../../data/latents/index.js';
import type { Normalization } from '../../../training/diffusion-loss.js';
import type { TrainingData } from './training-data.js';

/** Latents that an `encode` stage has stored. */
export async function storedLatents(directory: string, normalization?: Normalization): Promise<TrainingData> {
  const latents = await LatentDataset.open(directory);
  const { count, shape, classes, labels, index } = latents;
  return {
    count,
    shape,
    classes,
    labels,
    normalization: normalization ?? index.normalization,
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
