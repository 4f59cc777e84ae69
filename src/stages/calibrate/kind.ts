import type { StageKind } from '../../pipeline/stage.js';
import { runLater } from '../run-later.js';
import type { CalibrateConfig } from './index.js';

/** Records paths and finds ratios for the phases of a `sample` stage: what `pipeline calibrate` runs. */
export const stage: StageKind<CalibrateConfig> = {
  name: 'calibrate',
  codeVersion: 1,
  figures: ['samples', 'considered', 'choices'],
  dependsOnPrecision: true,
  dependsOnEngine: true,
  externalInputs: () => [],
  run: runLater(() => import('./index.js')),
};
