import type { Pipeline } from '../../config/index.js';
import type { PlannedStage } from '../plan/plan.js';
import type { Json, StageContext, StageOutput, StageWork } from '../stage.js';
import type { Manifest } from '../store/manifest.js';
import { outputContent } from '../store/output-hash.js';

/** The finished output of a planned stage, as later stages see it. */
export function stageOutput({ stage, kind, place }: PlannedStage, manifest: Manifest): StageOutput {
  return {
    stage: stage.id,
    kind: stage.kind,
    directory: place.directory,
    fingerprint: manifest.fingerprint,
    content: outputContent(kind, manifest),
    // Not the one in the manifest, whose paths may start at the folder of another pipeline.
    config: stage.config as unknown as Json,
    summary: manifest.summary,
    seconds: manifest.seconds,
  };
}

/** A planned stage, ready to run. It sees the outputs of the stages that it names, and of no others. */
export function stageWork(
  pipeline: Pipeline,
  { stage, kind, place, origin }: PlannedStage,
  outputs: ReadonlyMap<string, StageOutput>,
  signal: AbortSignal,
  profile?: StageContext['profile'],
): StageWork {
  const named = new Set(stage.references.map((reference) => reference.stage));
  const inputs = [...outputs.values()].filter((output) => named.has(output.stage));
  const context = {
    id: stage.id,
    pipelineName: pipeline.name,
    pipelineDirectory: pipeline.directory,
    seed: pipeline.seed,
    runtime: pipeline.runtime,
    directory: place.partial,
    origin,
    ...(origin.pins && { pins: origin.pins }),
    ...(profile && { profile }),
    signal,
    input: inputOf(stage.id, inputs),
  };
  return { kind, config: stage.config, context, inputs };
}

/** `StageContext.input` of a stage. */
export function inputOf(stage: string, inputs: readonly StageOutput[]): StageContext['input'] {
  return (id) => {
    const output = inputs.find((input) => input.stage === id);
    if (output === undefined) throw new Error(`Stage ${stage} asked for ${id}, which it does not name.`);
    return output;
  };
}
