import type { EncodeConfig } from '../../generated/index.js';
import type { StageKind } from '../../runner/stage.js';
import { runLater } from '../shared/run-later.js';
import { encodedImagesHalve, flippedClassesExist } from '../shared/latent-checks.js';

export const stage: StageKind<EncodeConfig> = {
  name: 'encode',
  codeVersion: 3,
  figures: ['latents'],
  amounts: ['latents'],
  dependsOnPrecision: true,
  dependsOnEngine: true,
  dependsOnSeed: false,
  dataParallel: true,
  externalInputs: () => [],
  timing: async (config, resolve) => (await import('./facts.js')).encodeTiming(config, resolve),
  measure: async (config, resolve, runtime, folders) =>
    (await import('./rate.js')).measureEncoding(config, resolve, runtime, folders),
  describe: async (config, resolve, runtime) =>
    (await import('./facts.js')).describeEncode(config, resolve, runtime),
  check: async (config, resolve, _folder, runtime) =>
    (await import('./facts.js')).requireEncodingMemory(config, resolve, runtime),
  checks: [encodedImagesHalve, flippedClassesExist],
  run: runLater(() => import('./run.js')),
};
