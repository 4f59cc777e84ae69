import type { SampleConfig } from '../../generated/index.js';
import type { ShownKind } from '../../pages/kinds.js';
import type { CheckContext, StageOf } from '../shared/check.js';
import { assumedScaleHolds, sampledClassesExist } from '../shared/latent-checks.js';
import { runLater } from '../shared/run-later.js';
import {
  goesBackAlongOde,
  guidanceIsWrittenOnce,
  guidanceMatters,
  guidanceWasTrained,
  latentsCanBeDecoded,
  likelihoodIsDefined,
  reversedLatentsFit,
  sampledAverageIsKept,
  trajectoryIsOnPath,
} from './checks.js';
import { type SampleCheck, samplePlan } from './plan.js';
import {
  featuresCanBePredicted,
  keysMatter,
  lastStepCanBeTaken,
  methodIsOfKind,
  phasesAgree,
  ratiosSeparatePhases,
  samplingDividesByNonZero,
  stepsAreLeftToSwitch,
} from './sampler-checks.js';

export const stage: ShownKind<SampleConfig> = {
  name: 'sample',
  codeVersion: 3,
  figures: [
    'samples',
    'size',
    'steps',
    'guidanceScale',
    'savedFraction',
    'bitsPerDimension',
    'noiseMean',
    'noiseStd',
    'roundTripError',
    'expectedMemoryMegabytes',
    'peakMemoryMegabytes',
  ],
  amounts: ['samples', 'size', 'steps', 'guidanceScale'],
  headlines: [
    { name: 'bitsPerDimension', better: 'less' },
    { name: 'roundTripError', better: 'less' },
  ],
  dependsOnPrecision: true,
  dependsOnEngine: true,
  dataParallel: true,
  externalInputs: () => [],
  describe: async (config, resolve, runtime) =>
    (await import('./facts.js')).describeSample(config, resolve, runtime),
  check: async (config, resolve) => {
    const plan = samplePlan(config);
    if (plan.acting && plan.weaker === undefined)
      await (await import('./facts.js')).requireNullClass(plan, resolve);
  },
  checks: [checkPlanned],
  page: async () => (await import('./page.js')).page,
  run: runLater(() => import('./run.js')),
};

const checks: readonly SampleCheck[] = [
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
];

/** Resolves the stage's plan once for all checks. */
function checkPlanned(stage: StageOf<'sample'>, context: CheckContext): void {
  const plan = samplePlan(stage.config);
  for (const check of checks) check({ ...stage, plan }, context);
}
