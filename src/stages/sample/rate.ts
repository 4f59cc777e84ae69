import { isDeepStrictEqual } from 'node:util';
import type { SampleConfig } from '../../generated/index.js';
import { downsampleOf } from '../../models/autoencoder-kl/config.js';
import { type SiTConfig, sitParameters } from '../../models/sit/config.js';
import { sitCost } from '../../models/sit/cost.js';
import { openSitSession } from '../../models/sit/sit.js';
import type { RuntimeConfig, StageRate } from '../../runner/stage.js';
import { samplingWeights, type SamplerSettings, stepEvaluations } from '../../sampling/index.js';
import { identityOf } from '../../training/diffusion-loss.js';
import { measureDecoder } from '../autoencoder/rate.js';
import type { Resolve } from '../shared/planned.js';
import { madeUpWeights, type MeasuredRate, measuredOperations, measureIn } from '../shared/rate.js';
import { plannedModels } from './facts.js';
import { type SamplePlan, samplePlan } from './plan.js';
import { Sampler } from './sampler.js';

/** Steps of the path that is followed to measure it. */
const measuredSteps = 4;

/** Velocities along straight paths: other choices take as long. */
const transport = { interpolant: 'linear', prediction: 'velocity' } as const;

/**
 * Measures a few steps of the sampler and the decoding of latents, with weights that are made up. Where models take turns,
 * the time lies between those of the quickest and of the slowest of them alone. Where a method chooses its own steps or
 * predicts some, it is not told.
 */
export async function measureSampling(
  config: SampleConfig,
  resolve: Resolve,
  runtime: RuntimeConfig,
): Promise<StageRate | undefined> {
  const plan = samplePlan(config);
  const models = await plannedModels(plan, resolve);
  const { settings } = plan;
  if (models === undefined || settings === undefined) return undefined;
  if (config.reverse !== undefined || config.likelihood || plan.step?.isAdaptive === true) return undefined;
  if (settings.featureCache !== undefined) return undefined;
  const base = models.base && (await measurePath(unguided(plan), settings, models.base, runtime));
  const drawn: MeasuredRate[] = [];
  for (const model of distinct(models.phases)) {
    const alone = base === undefined ? plan : unguided(plan);
    const own = await measurePath(alone, settings, model, runtime);
    const passes = passesOf(alone, settings, model);
    // Guidance by a weaker model adds its passes to those of the model.
    const weaker = base === undefined ? 0 : base.unitSeconds * (passesOf(plan, settings, model) - passes);
    drawn.push({ ...own, unitSeconds: own.unitSeconds * passes + weaker });
  }
  const [model] = models.phases as [SiTConfig];
  const size = model.latentSize * downsampleOf(models.autoencoder);
  const decoded = await measureDecoder(models.autoencoder, { size, atOnce: plan.atOnce }, runtime);
  const setups = [...drawn, ...(base ? [base] : []), decoded].map(({ setupSeconds }) => setupSeconds);
  const units = drawn.map(({ unitSeconds }) => (unitSeconds + decoded.unitSeconds) / settings.steps);
  return {
    setupSeconds: setups.reduce((sum, each) => sum + each, 0),
    unitSeconds: Math.min(...units),
    mostUnitSeconds: Math.max(...units),
  };
}

const unguided = (plan: SamplePlan): SamplePlan => ({ ...plan, acting: undefined });

/** Models of different shapes. */
const distinct = (models: readonly SiTConfig[]): SiTConfig[] =>
  models.filter((model, i) => models.findIndex((other) => isDeepStrictEqual(other, model)) === i);

/** Forward passes of a sample's path. */
const passesOf = ({ acting }: SamplePlan, settings: SamplerSettings, config: SiTConfig): number =>
  stepEvaluations({ ...transport, config }, settings, acting)
    .map(({ evaluations, guided }) => evaluations * (guided ? 2 : 1))
    .reduce((sum, each) => sum + each, 0);

/** Measures a path of a few steps; a unit is a forward pass of one sample. */
function measurePath(
  plan: SamplePlan,
  settings: SamplerSettings,
  model: SiTConfig,
  runtime: RuntimeConfig,
): Promise<MeasuredRate> {
  const short = { ...settings, steps: measuredSteps };
  const passes = passesOf(plan, short, model);
  const most = Math.floor(measuredOperations / (2 * sitCost(model).multiplyAccumulates * passes));
  const size = Math.max(1, Math.min(plan.atOnce, most));
  return measureIn(runtime, openSitSession, async (session) => {
    const weights = await samplingWeights(session, model, await madeUpWeights(session, sitParameters(model)));
    const sampler = new Sampler({
      session,
      networks: [
        { model: { config: model, transport, weights }, ...(plan.acting && { guidance: plan.acting }) },
      ],
      phases: { ...plan.switching, switchRatios: [] },
      settings: short,
      mostSamples: size,
      totalSamples: plan.config.count,
      seed: 0,
      normalization: identityOf(model.channels),
    });
    const batch = {
      ...{ first: 0, size, labels: new Int32Array(size) },
      rows: Array.from({ length: size }, (_, row) => row),
    };
    return { call: () => sampler.draw(batch), units: size * passes };
  });
}
