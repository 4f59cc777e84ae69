import { expandLocation, locationOf } from '../../base/patterns.js';
import { LatentDataset } from '../../data/latents/dataset.js';
import type { LatentsConfig } from '../../generated/index.js';
import type { StageContext } from '../../runner/stage.js';

/** Opens the latents that an `encode` stage has stored, or that a `latents` stage has found. */
export function openLatents(
  stage: string,
  { input, pipelineDirectory }: Pick<StageContext, 'input' | 'pipelineDirectory'>,
): Promise<LatentDataset> {
  const { directory, kind, config } = input(stage);
  if (kind !== 'latents') return LatentDataset.open(directory);
  const { path } = config as unknown as LatentsConfig;
  return LatentDataset.open(directory, { places: expandLocation(locationOf(path, pipelineDirectory)) });
}
