import type { DrawConfig } from '../../generated/index.js';
import type { StageKind } from '../../runner/stage.js';
import type { CheckContext, StageOf } from '../shared/check.js';
import { checkGuidance, checkGuidedChannels } from '../shared/guidance-checks.js';
import { runLater } from '../shared/run-later.js';

export const stage: StageKind<DrawConfig> = {
  name: 'draw',
  codeVersion: 1,
  figures: ['latents', 'perClass'],
  amounts: ['latents', 'perClass'],
  dependsOnPrecision: true,
  dependsOnEngine: true,
  dataParallel: true,
  externalInputs: () => [],
  describe: async (config, resolve) => (await import('./facts.js')).describeDraw(config, resolve),
  check: async ({ model, guidanceScale }, resolve) => {
    if (guidanceScale !== 1)
      await (await import('../shared/guidance.js')).requirePlannedGuidable(model, resolve);
  },
  timing: async (config, resolve) => (await import('./facts.js')).drawTiming(config, resolve),
  measure: async (config, resolve, runtime) =>
    (await import('./rate.js')).measureDraw(config, resolve, runtime),
  checks: [guidanceFits],
  run: runLater(() => import('./run.js')),
};

function guidanceFits({ id, config }: StageOf<'draw'>, context: CheckContext): void {
  const { model, guidanceScale: scale, guidanceChannels: channels } = config;
  const asked = { at: 'guidanceScale', scale, channels, models: [model] };
  checkGuidance(id, asked, context);
  checkGuidedChannels(id, asked, context);
}
