import { runtimeOf } from '../pipeline.js';
import type { Demand } from '../placement.js';
import { plannedInputs } from '../run/stage-context.js';
import type { RuntimeConfig, StageFact, StageKind } from '../stage.js';
import type { Plan, PlannedStage } from './plan.js';

/** Facts about planned stages by id, worked out without running anything. */
export async function describeStages(
  plan: Pick<Plan, 'pipeline' | 'stages'>,
): Promise<ReadonlyMap<string, readonly StageFact[]>> {
  const { pipeline, stages } = plan;
  const resolve = plannedInputs(plan);
  const facts = new Map<string, readonly StageFact[]>();
  for (const { stage, kind } of stages)
    facts.set(
      stage.id,
      (await kind.describe?.(stage.config, resolve, runtimeOf(pipeline, stage), pipeline.directory)) ?? [],
    );
  return facts;
}

/** Processes that run a stage together. */
export function processesOf({ dataParallel }: StageKind<unknown>, { workers }: RuntimeConfig): number {
  return dataParallel === true ? workers : 1;
}

/** Need of a stage while it runs: a GPU a worker, where it uses any, and memory as far as that is known. */
export function demandOf(
  { pipeline }: Pick<Plan, 'pipeline'>,
  { stage, kind }: PlannedStage,
  facts: readonly StageFact[] = [],
): Demand {
  const runtime = runtimeOf(pipeline, stage);
  const processes = processesOf(kind, runtime);
  return {
    devices: kind.dependsOnEngine === true && runtime.device !== 'cpu' ? processes : 0,
    bytes: processes * Math.max(0, ...facts.map(({ bytes = 0 }) => bytes)),
  };
}
