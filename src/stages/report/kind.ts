import type { ReportConfig } from '../../generated/index.js';
import type { KindPages } from '../../pages/kinds.js';
import type { StageKind } from '../../runner/stage.js';
import { runLater } from '../shared/run-later.js';

/** @param pages what kinds of stages show: a report knows none of them */
export const reportStage = (pages: () => Promise<KindPages>): StageKind<ReportConfig> => ({
  name: 'report',
  codeVersion: 1,
  figures: [],
  dependsOnPrecision: false,
  dependsOnSeed: false,
  tellsOfInputs: true,
  externalInputs: () => [],
  isQuick: true,
  timing: ({ stages }) => Promise.resolve({ amount: stages.length, like: {} }),
  // The page tells how long stages took.
  isIncidental: () => true,
  run: runLater(async () => {
    const { run } = await import('./run.js');
    return { run: (config, context) => run(config, context, pages) };
  }),
});
