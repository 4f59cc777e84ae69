import type { AttentionConfig } from '../../generated/index.js';
import type { ShownKind } from '../../pages/kinds.js';
import { runLater } from '../shared/run-later.js';

export const stage: ShownKind<AttentionConfig> = {
  name: 'attention',
  codeVersion: 1,
  figures: ['samples', 'divergence', 'savedFraction', 'moved'],
  amounts: ['samples'],
  headlines: [{ name: 'savedFraction', better: 'more' }],
  dependsOnPrecision: true,
  dependsOnEngine: true,
  externalInputs: () => [],
  describe: async (config, resolve) => (await import('./facts.js')).describeAttention(config, resolve),
  check: async (config, resolve) => (await import('./facts.js')).requirePlannedAttention(config, resolve),
  timing: async (config, resolve) => (await import('./facts.js')).attentionTiming(config, resolve),
  measure: async (config, resolve, runtime) =>
    (await import('./rate.js')).measureAttention(config, resolve, runtime),
  page: async () => (await import('./page.js')).page,
  run: runLater(() => import('./run.js')),
};
