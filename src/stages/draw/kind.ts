import type { DrawConfig } from '../../generated/index.js';
import type { StageKind } from '../../runner/stage.js';
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
  check: async (config, resolve) => (await import('./facts.js')).requirePlannedNullClass(config, resolve),
  run: runLater(() => import('./run.js')),
};
