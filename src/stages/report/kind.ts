import type { ReportConfig } from '../../generated/index.js';
import type { StageKind } from '../../runner/stage.js';
import { runLater } from '../shared/run-later.js';

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
  run: runLater(() => import('./run.js')),
};
