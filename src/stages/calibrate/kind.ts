import type { StageKind } from '../../runner/stage.js';
import { runLater } from '../shared/run-later.js';
import type { CalibrateConfig } from './run.js';

/** Records paths and finds ratios for the phases of a `sample` stage: what `pipeline calibrate` runs. */
export const stage: StageKind<CalibrateConfig> = {
  name: 'calibrate',
  codeVersion: 1,
  figures: ['samples', 'considered', 'choices'],
  amounts: ['samples'],
  dependsOnPrecision: true,
  dependsOnEngine: true,
  externalInputs: () => [],
  run: runLater(() => import('./run.js')),
};
