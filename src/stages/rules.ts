import type { StageCheck, StageKindName } from './shared/check.js';
import type { PipelineRules } from '../runner/check.js';
import { pipelineSchema } from '../runner/schema/schema.js';
import { schemaErrors } from '../runner/schema/validator.js';
import {
  imagesHalve,
  weightsAreSupported,
  widthsInGroups,
  widthsPerResolution,
} from './autoencoder/checks.js';
import {
  evaluatedImagesAreEncoded,
  evaluationKeysMatter,
  gridFitsLatents,
  metricsHaveWhatTheyNeed,
  referenceIsWrittenOnce,
} from './evaluate/checks.js';
import {
  goesBackAlongOde,
  latentsCanBeDecoded,
  likelihoodIsDefined,
  reversedLatentsFit,
  sampledAverageIsKept,
  trajectoryIsOnPath,
} from './sample/checks.js';
import { guidanceIsWrittenOnce, guidanceMatters, guidanceWasTrained } from './sample/guidance-checks.js';
import { phasesAgree, ratiosSeparatePhases, stepsAreLeftToSwitch } from './sample/phase-checks.js';
import {
  featuresCanBePredicted,
  keysMatter,
  lastStepCanBeTaken,
  methodIsOfKind,
  samplingDividesByNonZero,
} from './sample/sampler-checks.js';
import {
  assumedScaleHolds,
  encodedImagesHalve,
  flippedClassesExist,
  sampledClassesExist,
} from './shared/latent-checks.js';
import {
  croppingIsOfImages,
  lossWeightApplies,
  trainingDividesByNonZero,
  trainingSamplesCanBeDrawn,
} from './train/checks.js';
import {
  batchDividesBetweenWorkers,
  hiddenSizeDivides,
  latentsDivideIntoPatches,
  mediatorsFitGrid,
  mediatorsMatchBlocks,
} from './train/model-checks.js';
import { startFits } from './train/start-checks.js';

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

/** Rules for pipeline files with our kinds of stages. */
export const pipelineRules: PipelineRules = {
  get schema() {
    return pipelineSchema();
  },
  errors: schemaErrors,
  // A check gets stages of its kind alone.
  checks: checks as PipelineRules['checks'],
};
