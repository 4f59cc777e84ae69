import type { TrainConfig } from '../../generated/index.js';
import { mediatorsPerBlock, type SiTConfig } from '../../models/sit/config.js';

/** Facts about a model that the latents determine. */
export interface LatentFacts {
  readonly latentSize: number;
  readonly channels: number;
  readonly classes: number;
}

/** The model that a stage's configuration describes, for latents of the given kind. */
export function modelConfig(
  { model }: Pick<TrainConfig, 'model'>,
  { latentSize, channels, classes }: LatentFacts,
): SiTConfig {
  const { hiddenSize, depth, heads, patchSize, labelDropout } = model;
  const { qkNorm, rmsNorm, swiGlu, rope, valueResidual, mediatorExtras } = model;
  return {
    ...{ latentSize, channels, classes },
    hiddenSize,
    depth,
    heads,
    patchSize,
    // Without classes the null class would be the same as the only one.
    labelDropout: classes === 1 ? 0 : labelDropout,
    mediators: mediatorsPerBlock(model),
    ...(qkNorm && { qkNorm }),
    ...(rmsNorm && { rmsNorm }),
    ...(swiGlu && { swiGlu }),
    ...(rope && { rope: rope === true ? latentSize / patchSize : rope }),
    ...(valueResidual && { valueResidual }),
    ...(mediatorExtras && { mediatorExtras }),
  };
}
