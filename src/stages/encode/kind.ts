import type { EncodeConfig } from '../../config/generated/index.js';
import type { StageKind } from '../../pipeline/stage.js';
import { runLater } from '../run-later.js';

export const stage: StageKind<EncodeConfig> = {
  name: 'encode',
  codeVersion: 3,
  figures: ['latents'],
  dependsOnPrecision: true,
  dependsOnEngine: true,
  dependsOnSeed: false,
  externalInputs: () => [],
  describe: async (config, resolve) => (await import('./describe.js')).describeEncode(config, resolve),
  run: runLater(() => import('./index.js')),
};
