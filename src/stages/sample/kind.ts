import type { SampleConfig } from '../../generated/index.js';
import type { ShownKind } from '../../pages/kinds.js';
import { runLater } from '../shared/run-later.js';

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
  dependsOnPrecision: true,
  dependsOnEngine: true,
  dataParallel: true,
  externalInputs: () => [],
  describe: async (config, resolve, runtime) =>
    (await import('./facts.js')).describeSample(config, resolve, runtime),
  page: async () => (await import('./page.js')).page,
  run: runLater(() => import('./run.js')),
};
