import type { TrainConfig } from '../../config/generated/index.js';
import type { StageKind } from '../../pipeline/stage.js';
import { runLater } from '../run-later.js';
import { isIncidentalToTraining } from '../training-files.js';

export const stage: StageKind<TrainConfig> = {
  name: 'train',
  codeVersion: 1,
  dependsOnPrecision: true,
  dataParallel: true,
  externalInputs: () => [],
  isIncidental: isIncidentalToTraining,
  describe: async (config, resolve, runtime) =>
    (await import('./describe.js')).describeTrain(config, resolve, runtime),
  run: runLater(() => import('./index.js')),
};
