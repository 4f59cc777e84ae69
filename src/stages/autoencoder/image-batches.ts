import type { AutoencoderConfig as StageConfig } from '../../config/generated/index.js';
import type { ImageDataset } from '../../data/images/index.js';
import { toPixels } from '../../data/images/pixels.js';
import { balancedOrder, shuffledOrder } from '../../data/sample-order.js';
import { type HostTensor, float32 } from '../../tensorflow/index.js';
import { flippableClasses } from '../flips.js';

/** Gives the images of a step, [batch, size, size, 3] in [-1, 1]. */
export function imageBatches(
  images: ImageDataset,
  { batch, classSampling, flips }: Pick<StageConfig, 'batch' | 'classSampling' | 'flips'>,
  seed: number,
): (step: number) => Promise<HostTensor> {
  const order =
    classSampling === 'balanced' ? balancedOrder(seed, images.labels) : shuffledOrder(seed, images.count);
  const flippable = flippableClasses(flips, images.classes);
  const { size } = images;
  return async (step) => {
    const pixels = new Float32Array(batch * size * size * 3);
    const draws = Array.from({ length: batch }, (_, i) => order.at(step * batch + i));
    await Promise.all(
      draws.map(async ({ index, flipped }, i) => {
        const mirrored = flipped && flippable[images.labels[index]!] === true;
        toPixels(await images.read(index), size, pixels, i * size * size * 3, mirrored);
      }),
    );
    return float32([batch, size, size, 3], pixels);
  };
}
