import { counted } from '../../base/format.js';
import type { SampleConfig } from '../../generated/index.js';
import { shapeOf } from '../../models/sit/config.js';
import { hostMemoryOnGpu } from '../../models/sit/memory.js';
import type { RuntimeConfig, StageFact, StageTiming } from '../../runner/stage.js';
import { requirePlannedGuidable } from '../shared/guidance.js';
import { scaleFacts } from '../shared/latent-scale.js';
import { computingGpu, neededMemory } from '../shared/memory.js';
import { readSavedModel } from '../../weights/saved-files.js';
import { plannedAutoencoderModel, plannedModel, type Resolve } from '../shared/planned.js';
import { expectedMemory, requireSamplingMemory, type SampledModels } from './memory.js';
import { type SamplePlan, samplePlan } from './plan.js';
import { requireFollowable } from './sampler-checks.js';

/** Describes the needs of a sampling, as far as configurations and cached outputs tell. */
export async function describeSample(
  config: SampleConfig,
  resolve: Resolve,
  runtime: RuntimeConfig,
  folder: string,
): Promise<readonly StageFact[]> {
  const plan = samplePlan(config);
  const scales = await describeScales(config, resolve, folder);
  const models = await plannedModels(plan, resolve);
  if (models === undefined) return scales;
  const { workers } = runtime;
  const gpu = computingGpu(runtime);
  const bytes = expectedMemory(plan, models, workers, gpu);
  return [
    ...scales,
    {
      label: gpu === undefined ? 'memory' : 'GPU memory',
      bytes: gpu === undefined ? bytes : hostMemoryOnGpu(models.phases[0]!),
      value: neededMemory(bytes, gpu, workers, counted(plan.atOnce, 'sample')),
    },
  ];
}

/** Warns of models whose latents are of another scale than those of the autoencoder that decodes them. */
export function describeScales(
  config: SampleConfig,
  resolve: Resolve,
  folder: string,
): Promise<readonly StageFact[]> {
  const { phases } = samplePlan(config);
  return scaleFacts(
    phases.map(({ model }) => model),
    config.autoencoder,
    { resolve, folder },
  );
}

/**
 * Refuses a sampling that a GPU of this machine cannot hold.
 *
 * @throws UserError `memory-does-not-suffice`
 */
export async function requirePlannedMemory(
  plan: SamplePlan,
  resolve: Resolve,
  runtime: RuntimeConfig,
): Promise<void> {
  const gpu = computingGpu(runtime);
  const models = gpu && (await plannedModels(plan, resolve));
  if (models !== undefined) requireSamplingMemory(plan, models, runtime.workers, gpu);
}

/** The models of the stage, where all of them are known. */
export async function plannedModels(plan: SamplePlan, resolve: Resolve): Promise<SampledModels | undefined> {
  const { weaker } = plan;
  const autoencoder = await plannedAutoencoderModel(plan.config.autoencoder, resolve);
  const base = weaker === undefined ? undefined : await plannedModel(weaker, resolve);
  const phases: SampledModels['phases'][number][] = [];
  for (const { model } of plan.phases) {
    const planned = await plannedModel(model, resolve);
    if (planned !== undefined) phases.push(planned);
  }
  const isKnown = phases.length === plan.phases.length && (weaker === undefined) === (base === undefined);
  return isKnown && autoencoder ? { phases, base, autoencoder } : undefined;
}

/** Holds sampler and guidance to the models that are known. @throws UserError as `requireFollowable` and `requireGuidable` */
export async function requireDrawablePhases(plan: SamplePlan, resolve: Resolve): Promise<void> {
  for (const { model } of plan.phases) {
    const { output } = resolve(model);
    if (output !== undefined) requireFollowable(model, await readSavedModel(output.directory), plan);
    if (plan.acting && plan.weaker === undefined) await requirePlannedGuidable(model, resolve);
  }
}

/** Work of a sampling in steps of samples, which take as long for the same models, sampler and guidance. */
export async function sampleTiming(config: SampleConfig, resolve: Resolve): Promise<StageTiming | undefined> {
  const plan = samplePlan(config);
  const models = await plannedModels(plan, resolve);
  if (models === undefined) return undefined;
  const { likelihood, reverse } = config;
  const { kind, method, steps, absoluteTolerance, featureCache } = config.sampler;
  const shapes = [...models.phases, ...(models.base ? [models.base] : [])].map(shapeOf);
  const guided = plan.acting !== undefined;
  const ratios = plan.phases.map(({ switchRatio }) => switchRatio);
  const tolerance = method === 'dopri5' ? absoluteTolerance : undefined;
  const goesBack = reverse !== undefined;
  const like = { kind, method, guided, ratios, tolerance, shapes, featureCache, likelihood, goesBack };
  return { amount: config.count * steps, like };
}
