import type { SampleConfig } from '../../config/index.js';
import type { StageKind } from '../../pipeline/stage.js';
import { runLater } from '../run-later.js';

/** A `sample` stage's configuration; `count` samples are recorded. */
export interface CalibrateConfig extends SampleConfig {
  /** Choices of ratios that are tried out in full. */
  readonly replays: number;
}

/** Records paths and finds ratios for the phases of a `sample` stage: what `pipeline calibrate` runs. */
export const stage: StageKind<CalibrateConfig> = {
  name: 'calibrate',
  codeVersion: 1,
  dependsOnPrecision: true,
  externalInputs: () => [],
  run: runLater(() => import('./index.js')),
};
