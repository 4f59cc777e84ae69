import { resolve } from 'node:path';
import type { ImagesConfig } from '../../config/generated/index.js';
import { ImageDataset } from '../../data/images/index.js';
import type { StageContext } from '../../pipeline/stage.js';

/** Opens the images that an `images` stage has indexed. */
export function openImages(stage: string, context: StageContext): Promise<ImageDataset> {
  const { directory, config } = context.input(stage);
  const { path } = config as unknown as ImagesConfig;
  return ImageDataset.open(directory, resolve(context.pipelineDirectory, path));
}
