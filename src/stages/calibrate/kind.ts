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
  timing: async (config, resolve) => {
    const timing = await (await import('../sample/facts.js')).sampleTiming(config, resolve);
    const { phases = [], replays } = config;
    // Paths of each model alone, then some of all in turn.
    return timing && { ...timing, amount: config.count * config.sampler.steps * (phases.length + replays) };
  },
  run: runLater(() => import('./run.js')),
};
