import type { PlaygroundConfig } from '../../generated/index.js';
import type { StageKind } from '../../runner/stage.js';
import { checkSample } from '../sample/kind.js';
import { samplePlan } from '../sample/plan.js';
import type { CheckContext, StageOf } from '../shared/check.js';
import { runLater } from '../shared/run-later.js';
import { asSample } from './as-sample.js';

export const stage: StageKind<PlaygroundConfig> = {
  name: 'playground',
  codeVersion: 2,
  figures: ['models', 'megabytes'],
  dependsOnPrecision: false,
  externalInputs: () => [],
  describe: async (config, resolve, _runtime, folder) =>
    (await import('../sample/facts.js')).describeScales(asSample(config), resolve, folder),
  check: async (config, resolve) =>
    (await import('../sample/facts.js')).requireDrawablePhases(samplePlan(asSample(config)), resolve),
  timing: async (config, resolve) => (await import('./rate.js')).playgroundTiming(config, resolve),
  measure: async (config) => (await import('./rate.js')).measurePlayground(config),
  checks: [canDraw],
  run: runLater(() => import('./run.js')),
};

/** Holds the page to the rules of `sample` stages, which draw by the same keys. */
function canDraw({ config, ...stage }: StageOf<'playground'>, context: CheckContext): void {
  checkSample({ ...stage, kind: 'sample', config: asSample(config) }, context);
}
