export { makePlan, type Plan, type PlannedStage, type PlanOptions } from './plan/plan.js';
export { formatReason, type Reason } from './plan/reasons.js';
export type { StageRegistry } from './registry.js';
export type { Failure, RunEvent, StageOutlook, StageResult, TimedRunEvent } from './run/events.js';
export { runPipeline, type RunOptions } from './run/run-pipeline.js';
export { inputOf, stageOutput } from './run/stage-context.js';
export { findRunsRoot } from './runs-root.js';
export * from './stage.js';
