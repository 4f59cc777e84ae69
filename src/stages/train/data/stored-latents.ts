import { LatentDataset } from '../../../data/latents/index.js';
import type { Normalization } from '../../../training/diffusion-loss.js';
import type { TrainingData } from './training-data.js';

/**
 * Latents that an `encode` stage has stored.
 *
 * @param given how they are normalised, by their channels, where not by their own statistics
 */
export async function storedLatents(
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
