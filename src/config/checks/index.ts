import type { PipelineStage, StageKindName } from '../pipeline.js';
import { imagesHalve, widthsInGroups, widthsPerResolution } from './autoencoder.js';
import { flippedClassesExist, sampledClassesExist } from './classes.js';
import type { CheckContext, StageCheck } from './context.js';
import {
  evaluatedImagesAreEncoded,
  evaluationKeysMatter,
  gridFitsLatents,
  metricsHaveWhatTheyNeed,
  referenceIsWrittenOnce,
} from './evaluation.js';
import { assumedScaleHolds, encodedImagesHalve } from './latents.js';
import { mediatorsFitGrid, mediatorsMatchBlocks } from './mediators.js';
import { batchDividesBetweenWorkers, hiddenSizeDivides, latentsDivideIntoPatches } from './model.js';
import { guidanceIsWrittenOnce, guidanceMatters, guidanceWasTrained } from './guidance.js';
import { weightsAreSupported } from './pretrained-autoencoder.js';
import { phasesAgree, ratiosSeparatePhases, stepsAreLeftToSwitch } from './phases.js';
import {
  featuresCanBePredicted,
  keysMatter,
  lastStepCanBeTaken,
  methodIsOfKind,
  samplingDividesByNonZero,
} from './sampler.js';
import {
  goesBackAlongOde,
  latentsCanBeDecoded,
  likelihoodIsDefined,
  reversedLatentsFit,
  sampledAverageIsKept,
  trajectoryIsOnPath,
} from './sampling.js';
import { startFits } from './start.js';
import { croppingIsOfImages, trainingSamplesCanBeDrawn } from './training.js';
import { lossWeightApplies, trainingDividesByNonZero } from './transport.js';

const checks: { readonly [Kind in StageKindName]?: readonly StageCheck<Kind>[] } = {
  autoencoder: [weightsAreSupported, widthsPerResolution, widthsInGroups, imagesHalve, flippedClassesExist],
  encode: [encodedImagesHalve, flippedClassesExist],
  train: [
    encodedImagesHalve,
    flippedClassesExist,
    croppingIsOfImages,
    hiddenSizeDivides,
    latentsDivideIntoPatches,
    mediatorsMatchBlocks,
    mediatorsFitGrid,
    batchDividesBetweenWorkers,
    lossWeightApplies,
    trainingDividesByNonZero,
    startFits,
    assumedScaleHolds,
    trainingSamplesCanBeDrawn,
  ],
  sample: [
    methodIsOfKind,
    keysMatter,
    lastStepCanBeTaken,
    samplingDividesByNonZero,
    featuresCanBePredicted,
    guidanceIsWrittenOnce,
    guidanceMatters,
    guidanceWasTrained,
    ratiosSeparatePhases,
    phasesAgree,
    stepsAreLeftToSwitch,
    latentsCanBeDecoded,
    assumedScaleHolds,
    goesBackAlongOde,
    reversedLatentsFit,
    likelihoodIsDefined,
    trajectoryIsOnPath,
    sampledAverageIsKept,
    sampledClassesExist,
  ],
  evaluate: [
    referenceIsWrittenOnce,
    metricsHaveWhatTheyNeed,
    evaluationKeysMatter,
    evaluatedImagesAreEncoded,
    gridFitsLatents,
  ],
};

/** Applies the rules between keys to a valid stage; findings are in the context's problems. */
export function checkStage(stage: PipelineStage, context: CheckContext): void {
  for (const check of (checks[stage.kind] ?? []) as readonly StageCheck<StageKindName>[]) {
    check(stage, context);
  }
}
