import { resolve } from 'node:path';
import type { PretrainedConfig } from '../../generated/index.js';
import type { StageKind } from '../../runner/stage.js';
import { runLater } from '../shared/run-later.js';
import { isFile } from './classes.js';

export const stage: StageKind<PretrainedConfig> = {
  name: 'pretrained',
  codeVersion: 1,
  figures: [
    'parameters',
    'steps',
    'latentSize',
    'patchSize',
    'hiddenSize',
    'depth',
    'heads',
    'classes',
    'mediators',
  ],
  dependsOnPrecision: false,
  dependsOnSeed: false,
  externalInputs: ({ path, classes }, folder) =>
    [path, ...(isFile(classes) ? [classes.file] : [])].map((input) => resolve(folder, input)),
  describe: async (config, _resolve, _runtime, folder) =>
    (await import('./open-pretrained.js')).describePretrained(config, folder),
  run: runLater(() => import('./run.js')),
};
