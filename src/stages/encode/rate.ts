import type { EncodeConfig } from '../../generated/index.js';
import type { RuntimeConfig, StageRate } from '../../runner/stage.js';
import { measureCoding } from '../autoencoder/rate.js';
import { readingSeconds } from '../images/rate.js';
import { plannedAutoencoderModel, plannedImages, type Resolve } from '../shared/planned.js';

/** Measures how fast images are read and encoded, with weights that are made up. */
export async function measureEncoding(
  config: EncodeConfig,
  resolve: Resolve,
  runtime: RuntimeConfig,
  folder: string,
): Promise<StageRate | undefined> {
  const model = await plannedAutoencoderModel(config.autoencoder, resolve);
  if (model === undefined || runtime.workers > 1) return undefined;
  const { size } = plannedImages(config.images, resolve);
  const rate = await measureCoding(model, 'encode', { size, atOnce: config.batch }, runtime);
  const reading = await readingSeconds(config.images, resolve, folder);
  return { ...rate, unitSeconds: reading + rate.unitSeconds * (config.flips === false ? 1 : 2) };
}
