import { isDeepStrictEqual } from 'node:util';
import type { SampleConfig } from '../../generated/index.js';
import { downsampleOf } from '../../models/autoencoder-kl/config.js';
import { type SiTConfig, sitParameters } from '../../models/sit/config.js';
import { sitCost } from '../../models/sit/cost.js';
import { openSitSession } from '../../models/sit/sit.js';
import { type RuntimeConfig, type StageRate, untoldBefore, type UntoldTime } from '../../runner/stage.js';
import { phasedCost, predictedSteps, samplingWeights, stepEvaluations } from '../../sampling/index.js';
import type { SamplerSettings } from '../../sampling/index.js';
import { identityOf } from '../../training/diffusion-loss.js';
import { measureDecoder } from '../autoencoder/rate.js';
import type { Resolve } from '../shared/planned.js';
import { madeUp, madeUpWeights, type MeasuredRate, measuredOperations, measureIn } from '../shared/rate.js';
import { plannedModels } from './facts.js';
import { findModels, openSampler } from './models.js';
import { type RunnablePlan, runnablePlan, type SamplePlan } from './plan.js';
import { Sampler } from './sampler.js';

/** Steps of the path that is followed to measure it. */
const measuredSteps = 4;
/** Steps that a method that chooses its own is taken to need, where it is chosen how many samples it is measured on. */
const adaptiveSteps = 30;
/** Time within which its path has to end. */
const adaptiveSeconds = 20;

/** Velocities along straight paths: other choices take as long. */
const transport = { interpolant: 'linear', prediction: 'velocity' } as const;

/**
 * Measures a few steps of the sampler and the decoding of latents, with weights that are made up. Where models take turns,
 * the time lies between those of the quickest and of the slowest of them alone. A method that chooses its own steps is
 * measured on the trained models.
 */
export async function measureSampling(
  config: SampleConfig,
  resolve: Resolve,
  runtime: RuntimeConfig,
): Promise<StageRate | UntoldTime> {
  const plan = runnablePlan(config);
  const models = await plannedModels(plan, resolve);
  if (models === undefined) return untoldBefore(plan.phases.at(-1)!.model);
  const { settings } = plan;
  const [model] = models.phases as [SiTConfig];
  const size = model.latentSize * downsampleOf(models.autoencoder);
  const decode = () => measureDecoder(models.autoencoder, { size, atOnce: plan.atOnce }, runtime);
  if (plan.step?.isAdaptive === true) {
    const path = await measureAdaptive(plan, model, resolve, runtime);
    return 'untold' in path ? path : together([path], [await decode()], settings);
  }
  const base = models.base && (await measurePath(unguided(plan), settings, models.base, runtime));
  const drawn: MeasuredRate[] = [];
  for (const phase of distinct(models.phases)) {
    const alone = base === undefined ? plan : unguided(plan);
    const own = await measurePath(alone, settings, phase, runtime);
    const passes = passesOf(alone, settings, phase);
    // Guidance by a weaker model adds its passes to those of the model.
    const weaker =
      base === undefined
        ? 0
        : base.unitSeconds * (passesOf(plan, settings, phase).computed - passes.computed);
    const predicted = passes.predicted * (await predictedSeconds(alone, settings, phase, own, runtime));
    drawn.push({ ...own, unitSeconds: own.unitSeconds * passes.computed + predicted + weaker });
  }
  return together(drawn, [...(base ? [base] : []), await decode()], settings);
}

/** Rate of paths by one or several models, then of what is done with each sample. */
function together(
  paths: readonly MeasuredRate[],
  beside: readonly MeasuredRate[],
  { steps }: SamplerSettings,
): StageRate {
  const decoded = beside.at(-1)!;
  const units = paths.map(({ unitSeconds }) => (unitSeconds + decoded.unitSeconds) / steps);
  return {
    setupSeconds: [...paths, ...beside].reduce((sum, { setupSeconds }) => sum + setupSeconds, 0),
    unitSeconds: Math.min(...units),
    mostUnitSeconds: Math.max(...units),
  };
}

const unguided = (plan: RunnablePlan): RunnablePlan => ({ ...plan, acting: undefined });

/** Models of different shapes. */
const distinct = (models: readonly SiTConfig[]): SiTConfig[] =>
  models.filter((model, i) => models.findIndex((other) => isDeepStrictEqual(other, model)) === i);

/** Forward passes of a sample's path: those that are computed, and those whose features are predicted. */
function passesOf(
  { acting }: Pick<SamplePlan, 'acting'>,
  settings: SamplerSettings,
  config: SiTConfig,
): { readonly computed: number; readonly predicted: number } {
  const steps = stepEvaluations({ ...transport, config }, settings, acting);
  const passes = steps.map(({ evaluations, guided }) => evaluations * (guided ? 2 : 1));
  const all = passes.reduce((sum, each) => sum + each, 0);
  const prediction = predictedSteps([{ model: { config } }], settings, steps);
  if (prediction === undefined) return { computed: all, predicted: 0 };
  const computed = phasedCost([passes], [], { ...prediction, costs: [passes.map(() => 0)] });
  return { computed, predicted: all - computed };
}

/** Time of a pass whose features are predicted: what a path with such passes takes beyond its computed ones. */
async function predictedSeconds(
  plan: RunnablePlan,
  settings: SamplerSettings,
  model: SiTConfig,
  computed: MeasuredRate,
  runtime: RuntimeConfig,
): Promise<number> {
  const { featureCache } = settings;
  if (featureCache === undefined) return 0;
  const steps = Math.min(settings.steps, featureCache.firstSteps + 2 * featureCache.interval + 1);
  const short = { ...settings, steps };
  const passes = passesOf(plan, short, model);
  if (passes.predicted === 0) return 0;
  const path = await measureSteps(plan, short, model, runtime);
  const all = path.unitSeconds * (passes.computed + passes.predicted);
  return Math.max(0, (all - computed.unitSeconds * passes.computed) / passes.predicted);
}

/** Measures a path of a few steps, none of them predicted; a unit is a forward pass of one sample. */
function measurePath(
  plan: RunnablePlan,
  settings: SamplerSettings,
  model: SiTConfig,
  runtime: RuntimeConfig,
): Promise<MeasuredRate> {
  const short = { ...settings, steps: measuredSteps };
  delete short.featureCache;
  return measureSteps(plan, short, model, runtime);
}

/** Forward passes that following a path is worth: there, and back, with the gradients that a density needs. */
const waysOf = ({ likelihood, reverse }: SampleConfig): number =>
  likelihood ? 5 : reverse === undefined ? 1 : 2;

function measureSteps(
  plan: RunnablePlan,
  settings: SamplerSettings,
  model: SiTConfig,
  runtime: RuntimeConfig,
): Promise<MeasuredRate> {
  const { likelihood, reverse, count } = plan.config;
  const { computed, predicted } = passesOf(plan, settings, model);
  const passes = computed + predicted;
  const operations = 2 * sitCost(model).multiplyAccumulates * passes * waysOf(plan.config);
  const size = Math.max(1, Math.min(plan.atOnce, Math.floor(measuredOperations / operations)));
  return measureIn(runtime, openSitSession, async (session) => {
    const weights = await samplingWeights(session, model, await madeUpWeights(session, sitParameters(model)));
    const sampler = new Sampler({
      session,
      networks: [
        { model: { config: model, transport, weights }, ...(plan.acting && { guidance: plan.acting }) },
      ],
      phases: { ...plan.switching, switchRatios: [] },
      settings,
      mostSamples: size,
      totalSamples: count,
      seed: 0,
      normalization: identityOf(model.channels),
      likelihood,
      goesBack: likelihood || reverse !== undefined,
    });
    const batch = batchOf(size, new Int32Array(size));
    const data = dataOf(model, size);
    const call = () => (reverse === undefined ? sampler.draw(batch) : sampler.redraw(batch, data));
    return { call, units: size * passes };
  });
}

const batchOf = (size: number, labels: Int32Array) => ({
  ...{ first: 0, size, labels },
  rows: Array.from({ length: size }, (_, row) => row),
});

const dataOf = ({ latentSize, channels }: SiTConfig, size: number) =>
  madeUp({ dtype: 'float32', shape: [size, latentSize, latentSize, channels] });

/** Measures whole paths whose steps depend on what the models draw, on the trained ones; a unit is a sample. */
async function measureAdaptive(
  plan: RunnablePlan,
  model: SiTConfig,
  resolve: Resolve,
  runtime: RuntimeConfig,
): Promise<MeasuredRate | UntoldTime> {
  const { method } = plan.config.sampler;
  const chooses = `${method} takes as many steps as the model's paths need`;
  const ids = [
    ...plan.phases.map((phase) => phase.model),
    ...(plan.weaker === undefined ? [] : [plan.weaker]),
  ];
  const waits = ids.find((id) => resolve(id).output === undefined);
  if (waits !== undefined) return { untold: `${chooses}, and ${waits} has not run` };
  const found = await findModels(plan, { input: (id) => resolve(id).output! });
  const passes = adaptiveSteps * plan.step!.evaluations * (plan.acting ? 2 : 1) * waysOf(plan.config);
  const most = Math.floor(measuredOperations / (2 * sitCost(model).multiplyAccumulates * passes));
  const size = Math.max(1, Math.min(plan.atOnce, most));
  const { classes } = found.phases[0]!.saved;
  const batch = batchOf(
    size,
    Int32Array.from({ length: size }, (_, i) => i % classes.length),
  );
  const data = dataOf(model, size);
  const signal = AbortSignal.timeout(1000 * adaptiveSeconds);
  const sampler = await openSampler(plan, found, { seed: 0, runtime });
  try {
    const follow = async (): Promise<number> => {
      const start = performance.now();
      await (plan.config.reverse === undefined
        ? sampler.draw(batch, { signal })
        : sampler.redraw(batch, data, { signal }));
      return (performance.now() - start) / 1000;
    };
    const [first, second] = [await follow(), await follow()];
    return { setupSeconds: Math.max(0, first - second), unitSeconds: second / size };
  } catch (error) {
    if (!signal.aborted) throw error;
    return { untold: `${chooses}, and one path takes more than ${adaptiveSeconds / 2} s` };
  } finally {
    await sampler.close();
  }
}
