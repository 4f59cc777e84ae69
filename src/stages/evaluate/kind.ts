import { resolve } from 'node:path';
import type { EvaluateConfig } from '../../generated/index.js';
import type { ShownKind } from '../../pages/kinds.js';
import { runLater } from '../shared/run-later.js';
import { evaluateChecks } from './checks.js';
import { headlines, networkFor, workName } from './figures.js';

export const stage: ShownKind<EvaluateConfig> = {
  name: 'evaluate',
  codeVersion: 3,
  figures: [
    'fid',
    'fidError',
    'sfid',
    'inceptionScore',
    'frechetDistance',
    'frechetDistanceError',
    'kernelDistance',
    'kernelDistanceError',
    'precision',
    'recall',
    'classAgreement',
    'latentFrechetDistance',
    'latentFrechetDistanceError',
    'samples',
    'referenceImages',
  ],
  amounts: ['samples', 'referenceImages'],
  headlines,
  timing: async (config, resolve, made) => (await import('./work.js')).evaluateTiming(config, resolve, made),
  unitSeconds: async (output) => (await import('./work.js')).unitSeconds(output),
  measure: async (config, resolve, runtime, folders) =>
    (await import('./rate.js')).measureEvaluation(config, resolve, runtime, folders),
  // Figures are computed in float32 and float64 whatever the precision of other stages.
  dependsOnPrecision: false,
  dependsOnEngine: true,
  dependsOnSeed: false,
  isIncidental: (path) => path === workName,
  dataParallel: true,
  externalInputs: ({ samplesFile, referenceFile, inceptionFile }, folder) =>
    [samplesFile, referenceFile, inceptionFile].flatMap((path) =>
      path === undefined ? [] : [resolve(folder, path)],
    ),
  checks: evaluateChecks,
  describe: async (config, resolve, runtime, folder) =>
    (await import('./memory.js')).describeEvaluate(config, resolve, runtime, folder),
  check: async (config, resolveStage, folder, runtime) => {
    await (await import('./memory.js')).requirePlannedMemory(config, resolveStage, runtime, folder);
    // Fetched before anything runs: not after a night of training, on a machine that has no network.
    if (config.metrics.every((metric) => networkFor(metric, config) !== 'efficientnet')) return;
    await (await import('../../tensorflow/install/feature-network.js')).provideNetwork();
  },
  page: async () => (await import('./page.js')).page,
  run: runLater(() => import('./run.js')),
};
