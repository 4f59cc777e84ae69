import { runtimeOf, seedOf } from '../pipeline.js';
import type { Plan, PlannedStage } from '../plan/plan.js';
import { headlineOf } from '../runs/figures.js';
import type {
  FingerprintedContent,
  Json,
  PlannedInput,
  StageContext,
  StageOutput,
  StageWork,
} from '../stage.js';
import { type Manifest, outputContent } from '../store/manifest.js';

/** The finished output of a planned stage, as later stages see it. */
export function stageOutput({ stage, kind, place, accepted }: PlannedStage, manifest: Manifest): StageOutput {
  const headline = headlineOf(kind, { summary: manifest.summary });
  return {
    stage: stage.id,
    kind: stage.kind,
    directory: place.directory,
    fingerprint: manifest.fingerprint,
    content: outputContent(kind, manifest),
    // Not the one in the manifest, whose paths may start at the folder of another pipeline.
    config: stage.config as unknown as Json,
    summary: manifest.summary,
    ...(headline && { headline }),
    seconds: manifest.seconds,
    ...(accepted && { accepted }),
  };
}

/**
 * Gives stages of a plan as they are known before they run.
 *
 * @param made outputs that were made or found since it was planned
 */
export function plannedInputs(
  { stages }: Pick<Plan, 'stages'>,
  made: ReadonlyMap<string, StageOutput> = new Map(),
): (id: string) => PlannedInput {
  const byId = new Map(stages.map((planned) => [planned.stage.id, planned]));
  return (id) => {
    const planned = byId.get(id);
    if (planned === undefined) throw new Error(`A stage asked for ${id}, which is not planned.`);
    const { stage, output, isElsewhere } = planned;
    const there = made.get(id) ?? (output && isElsewhere !== true ? stageOutput(planned, output) : undefined);
    const config = stage.config as unknown as Json;
    return { kind: stage.kind, config, fingerprint: planned.fingerprint, ...(there && { output: there }) };
  };
}

/**
 * Lets every stage that may run look into what only files, the machine and earlier outputs tell.
 *
 * @throws UserError where one cannot run
 */
export async function checkStages(plan: Plan): Promise<void> {
  const refused = await refusedStage(plan);
  if (refused !== undefined) throw refused.error;
}

/** The first stage that may run and, as is known by now, cannot; and why. */
export async function refusedStage(
  plan: Plan,
  made: ReadonlyMap<string, StageOutput> = new Map(),
  isWaiting: (id: string) => boolean = () => true,
): Promise<{ readonly id: string; readonly error: unknown } | undefined> {
  const { pipeline } = plan;
  const resolve = plannedInputs(plan, made);
  for (const { stage, kind, reasons } of plan.stages) {
    if (reasons.length === 0 || !isWaiting(stage.id)) continue;
    try {
      await kind.check?.(stage.config, resolve, pipeline.directory, runtimeOf(pipeline, stage));
    } catch (error) {
      return { id: stage.id, error };
    }
  }
  return undefined;
}

/** A planned stage, ready to run. It sees the outputs of the stages that it names, and of no others. */
export function stageWork(
  { pipeline, runsRoot, stages }: Plan,
  planned: PlannedStage,
  outputs: ReadonlyMap<string, StageOutput>,
  {
    signal,
    profile,
    devices,
  }: Pick<StageContext, 'signal'> & Partial<Pick<StageContext, 'profile' | 'devices'>>,
): StageWork {
  const { stage, kind, place, origin } = planned;
  const named = new Set(stage.references.map((reference) => reference.stage));
  const inputs = [...outputs.values()].filter((output) => named.has(output.stage));
  // What is read by way of another stage's output, such as images that it names, is read too.
  const passedOn = stages.filter((other) => named.has(other.stage.id) && other.kind.passesOn !== undefined);
  const context = {
    id: stage.id,
    pipelineName: pipeline.name,
    pipelineDirectory: pipeline.directory,
    seed: seedOf(pipeline, stage),
    runtime: runtimeOf(pipeline, stage),
    directory: place.partial,
    origin,
    reads: {
      runsRoot,
      contents: [planned, ...passedOn].flatMap(contentsOf),
      outputs: inputs.map(({ directory, fingerprint }) => ({ directory, fingerprint })),
    },
    ...(origin.pins && { pins: origin.pins }),
    ...(profile && { profile }),
    ...(devices && { devices }),
    signal,
    input: inputOf(stage.id, inputs),
  };
  return { kind, config: stage.config, context, inputs };
}

function contentsOf({ origin, contents }: PlannedStage): readonly FingerprintedContent[] {
  return origin.inputs.map(({ location, digest }, i) => {
    const hashes = contents[i]?.hashes;
    return { location, digest, ...(hashes !== undefined && { hashes }) };
  });
}

/** `StageContext.input` of a stage. */
export function inputOf(stage: string, inputs: readonly StageOutput[]): StageContext['input'] {
  return (id) => {
    const output = inputs.find((input) => input.stage === id);
    if (output === undefined) throw new Error(`Stage ${stage} asked for ${id}, which it does not name.`);
    return output;
  };
}
