import type { SampleConfig } from '../../config/generated/index.js';
import type { StageKind } from '../../pipeline/stage.js';
import { runLater } from '../run-later.js';

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
    (await import('./describe.js')).describeSample(config, resolve, runtime),
  run: runLater(() => import('./index.js')),
};
