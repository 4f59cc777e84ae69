export type * from './events.js';
export type { Launcher, TrialCommand } from './launcher.js';
export { localLauncher } from './local-launcher.js';
export { planSweep, possibleMetrics, sharedStages, stagesToRun, type PlannedTrial } from './plan-sweep.js';
export { runSweep, type SweepOptions } from './run-sweep.js';
export {
  forcingOf,
  readResults,
  resultsName,
  sweepFolder,
  type Forcing,
  type SweepResults,
} from './results-file.js';
export { slurmLauncher } from './slurm-launcher.js';
export { findColumn, metricNames, parseSort, sortResults, type SortKey } from './table.js';
export { sweptKeys, trialsOf, type Trial } from './trial.js';
