import type { AutoencoderConfig, PretrainedAutoencoderConfig } from '../../config/generated/index.js';
import type { StageKind } from '../../pipeline/stage.js';
import { runLater } from '../run-later.js';
import { isIncidentalToTraining } from '../training-files.js';
import { localWeights, pinWeights } from './weights-place.js';

export const stage: StageKind<AutoencoderConfig | PretrainedAutoencoderConfig> = {
  name: 'autoencoder',
  codeVersion: 1,
  figures: [
    'loss',
    'steps',
    'latentChannels',
    'downsample',
    'peakSignalToNoiseDb',
    'scalingFactor',
    'expectedMemoryMegabytes',
    'peakMemoryMegabytes',
    'idlePercent',
  ],
  dependsOnPrecision: true,
  dependsOnEngine: true,
  externalInputs: (config, folder) => ('weights' in config ? localWeights(config, folder) : []),
  pin: (config, folder, signal) =>
    'weights' in config ? pinWeights(config, folder, signal) : Promise.resolve({}),
  isIncidental: isIncidentalToTraining,
  describe: async (config) => (await import('./describe.js')).describeAutoencoder(config),
  run: runLater(() => import('./index.js')),
};
