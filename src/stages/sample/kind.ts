import type { SampleConfig } from '../../generated/index.js';
import type { ShownKind } from '../../pages/kinds.js';
import type { CheckContext, StageOf } from '../shared/check.js';
import { runLater } from '../shared/run-later.js';
import { guidedChannelsMatter, sampleChecks } from './checks.js';
import { samplePlan } from './plan.js';
import { samplerChecks } from './sampler-checks.js';

export const stage: ShownKind<SampleConfig> = {
  name: 'sample',
  codeVersion: 3,
  figures: [
    'samples',
    'size',
    'steps',
    'guidanceScale',
    'savedFraction',
    'averageError',
    'bitsPerDimension',
    'noiseMean',
    'noiseStd',
    'roundTripError',
    'expectedMemoryMegabytes',
    'peakMemoryMegabytes',
  ],
  amounts: ['samples', 'size', 'steps', 'guidanceScale'],
  headlines: [
    { name: 'bitsPerDimension', better: 'less', within: ['autoencoder', 'reverse'] },
    { name: 'roundTripError', better: 'less', within: ['autoencoder', 'reverse'] },
  ],
  dependsOnPrecision: true,
  dependsOnEngine: true,
  dataParallel: true,
  externalInputs: () => [],
  timing: async (config, resolve) => (await import('./facts.js')).sampleTiming(config, resolve),
  measure: async (config, resolve, runtime) =>
    (await import('./rate.js')).measureSampling(config, resolve, runtime),
  describe: async (config, resolve, runtime, folder) =>
    (await import('./facts.js')).describeSample(config, resolve, runtime, folder),
  check: async (config, resolve, _folder, runtime) => {
    const plan = samplePlan(config);
    const facts = await import('./facts.js');
    await facts.requirePlannedMemory(plan, resolve, runtime);
    await facts.requireDrawablePhases(plan, resolve);
  },
  checks: [checkSample, guidedChannelsMatter],
  page: async () => (await import('./page.js')).page,
  run: runLater(() => import('./run.js')),
};

/** Resolves the stage's plan once for all checks. */
export function checkSample(stage: StageOf<'sample'>, context: CheckContext): void {
  const plan = samplePlan(stage.config);
  for (const check of [...samplerChecks, ...sampleChecks]) check({ ...stage, plan }, context);
}
