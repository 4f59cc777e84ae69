import type { ReportConfig } from '../../config/generated/index.js';
import type { StageKind } from '../../pipeline/stage.js';
import { runLater } from '../run-later.js';

export const stage: StageKind<ReportConfig> = {
  name: 'report',
  codeVersion: 1,
  figures: [],
  dependsOnPrecision: false,
  dependsOnSeed: false,
  tellsOfInputs: true,
  externalInputs: () => [],
  // The page tells how long stages took.
  isIncidental: () => true,
  run: runLater(() => import('./index.js')),
};
