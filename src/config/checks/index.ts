import type { PipelineStage, StageKindName } from '../pipeline.js';
import { imagesHalve, widthsInGroups, widthsPerResolution } from './autoencoder.js';
import { flippedClassesExist, sampledClassesExist } from './classes.js';
import type { CheckContext, StageCheck } from './context.js';
import { encodedImagesHalve } from './latents.js';
import { mediatorsFitGrid, mediatorsMatchBlocks } from './mediators.js';
import { batchDividesBetweenWorkers, hiddenSizeDivides, latentsDivideIntoPatches } from './model.js';
import { guidanceWasTrained, lastStepCanBeTaken, latentsCanBeDecoded } from './sampling.js';
import { lossWeightApplies, trainingDividesByNonZero } from './transport.js';

const checks: { readonly [Kind in StageKindName]?: readonly StageCheck<Kind>[] } = {
  autoencoder: [widthsPerResolution, widthsInGroups, imagesHalve, flippedClassesExist],
  encode: [encodedImagesHalve, flippedClassesExist],
  train: [
    hiddenSizeDivides,
    latentsDivideIntoPatches,
    mediatorsMatchBlocks,
    mediatorsFitGrid,
    batchDividesBetweenWorkers,
    lossWeightApplies,
    trainingDividesByNonZero,
  ],
  sample: [lastStepCanBeTaken, guidanceWasTrained, latentsCanBeDecoded, sampledClassesExist],
};

/** Applies the rules between keys to a valid stage; findings are in the context's problems. */
export function checkStage(stage: PipelineStage, context: CheckContext): void {
  for (const check of (checks[stage.kind] ?? []) as readonly StageCheck<StageKindName>[]) {
    check(stage, context);
  }
}
