import type { PretrainedConfig } from '../../generated/index.js';
import type { StageKind } from '../../runner/stage.js';
import { runLater } from '../shared/run-later.js';
import { addressIsWhole, localInputs, pinPath } from './place.js';

/** Sizes of the model and steps of its training: a model that is taken has no figure of how good it is. */
const sizes = [
  'parameters',
  'steps',
  'latentSize',
  'patchSize',
  'hiddenSize',
  'depth',
  'heads',
  'classes',
  'mediators',
];

export const stage: StageKind<PretrainedConfig> = {
  name: 'pretrained',
  codeVersion: 2,
  figures: sizes,
  amounts: sizes,
  dependsOnPrecision: false,
  dependsOnSeed: false,
  externalInputs: localInputs,
  pin: async (config, _folder, signal) => {
    const path = await pinPath(config, signal);
    return path === undefined ? {} : { path };
  },
  checks: [addressIsWhole],
  // What is in a file is not known before it is opened: it takes as long as it took.
  timing: ({ path, weights }) => Promise.resolve({ like: { path, weights } }),
  measure: async (config, _resolve, _runtime, { pipeline: folder }) =>
    (await import('./rate.js')).measurePretrained(config, folder),
  describe: async (config, _resolve, _runtime, folder) =>
    (await import('./open-pretrained.js')).describePretrained(config, folder),
  run: runLater(() => import('./run.js')),
};
