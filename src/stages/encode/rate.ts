import { flippableClasses } from '../../data/sample-order.js';
import type { EncodeConfig } from '../../generated/index.js';
import { type PlanFolders, type RuntimeConfig, untoldBefore, type UntoldTime } from '../../runner/stage.js';
import { measureEncoder } from '../autoencoder/rate.js';
import { someImages } from '../images/rate.js';
import { plannedAutoencoderModel, plannedImages, type Resolve } from '../shared/planned.js';
import type { MeasuredRate } from '../shared/rate.js';
import { loadPixels } from './run.js';

/** Measures how fast images are read and encoded, with weights that are made up. */
export async function measureEncoding(
  config: Pick<EncodeConfig, 'images' | 'autoencoder' | 'batch' | 'flips'>,
  resolve: Resolve,
  runtime: RuntimeConfig,
  folders: PlanFolders,
): Promise<MeasuredRate | UntoldTime> {
  const model = await plannedAutoencoderModel(config.autoencoder, resolve);
  if (model === undefined) return untoldBefore(config.autoencoder);
  const shape = { size: plannedImages(config.images, resolve).size, atOnce: config.batch };
  const images = await someImages(config.images, resolve, folders);
  if (images === undefined) {
    const rate = await measureEncoder(model, shape, runtime);
    return { ...rate, unitSeconds: rate.unitSeconds * (config.flips === false ? 1 : 2) };
  }
  const flippable = flippableClasses(config.flips, images.classes);
  let next = 0;
  return measureEncoder(model, shape, runtime, async (count) => {
    const indices = Array.from({ length: count }, () => next++ % images.count);
    const { pixels } = await loadPixels(images, flippable, indices);
    return { pixels, images: count };
  });
}
