import type { Pipeline } from '../../config/index.js';
import type { PlannedStage } from '../plan/plan.js';
import type { StageContext, StageOutput } from '../stage.js';
import type { Manifest } from '../store/manifest.js';

/** The finished output of a planned stage, as later stages see it. */
export function stageOutput({ stage, place }: PlannedStage, manifest: Manifest): StageOutput {
  return {
    stage: stage.id,
    kind: stage.kind,
    directory: place.directory,
    fingerprint: manifest.fingerprint,
    config: manifest.origin.config,
    summary: manifest.summary,
    seconds: manifest.seconds,
  };
}

/** What a stage is given to work with. It sees the outputs of the stages that it names, and of no others. */
export function stageContext(
  pipeline: Pipeline,
  { stage, place }: PlannedStage,
  outputs: ReadonlyMap<string, StageOutput>,
  signal: AbortSignal,
): StageContext {
  const named = new Set(stage.references.map((reference) => reference.stage));
  return {
    id: stage.id,
    pipelineName: pipeline.name,
    pipelineDirectory: pipeline.directory,
    seed: pipeline.seed,
    runtime: pipeline.runtime,
    directory: place.partial,
    signal,
    input: (id) => {
      const output = named.has(id) ? outputs.get(id) : undefined;
      if (output === undefined) throw new Error(`Stage ${stage.id} asked for ${id}, which it does not name.`);
      return output;
    },
  };
}
