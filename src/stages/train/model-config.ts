import type { TrainConfig } from '../../config/generated/index.js';
import { type SiTConfig, namedSize } from '../../models/sit/config.js';

/** What the latents determine about a model. */
export interface LatentFacts {
  readonly latentSize: number;
  readonly channels: number;
  readonly classes: number;
}

/** The model that a stage's configuration describes, for latents of the given kind. */
export function modelConfig({ model }: Pick<TrainConfig, 'model'>, latents: LatentFacts): SiTConfig {
  const { hiddenSize, depth, heads, patchSize } = model.name === undefined ? model : namedSize(model.name);
  return {
    ...latents,
    hiddenSize,
    depth,
    heads,
    patchSize,
    mediators: mediatorsOfBlocks(model.mediators, depth),
    labelDropout: model.labelDropout,
  };
}

/** A mediator count for every block; blocks that no range names have full attention. */
export function mediatorsOfBlocks(mediators: TrainConfig['model']['mediators'], depth: number): number[] {
  if (typeof mediators === 'number') return new Array<number>(depth).fill(mediators);
  const perBlock = new Array<number>(depth).fill(0);
  mediators.forEach((entry, i) => {
    if (typeof entry === 'number') perBlock[i] = entry;
    else
      for (let block = entry.blocks[0]; block <= entry.blocks[1]; block++) perBlock[block] = entry.mediators;
  });
  return perBlock;
}
