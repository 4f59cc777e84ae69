import type { SampleConfig } from '../../generated/index.js';
import type { StageKind } from '../../runner/stage.js';
import { runLater } from '../shared/run-later.js';

export const stage: StageKind<SampleConfig> = {
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
  dependsOnPrecision: true,
  dependsOnEngine: true,
  dataParallel: true,
  externalInputs: () => [],
  describe: async (config, resolve, runtime) =>
    (await import('./facts.js')).describeSample(config, resolve, runtime),
  run: runLater(() => import('./run.js')),
};
