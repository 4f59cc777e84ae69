import { UserError } from '../base/errors.js';
import type { SamplerConfig } from '../generated/index.js';
import type { PhaseOptions } from '../sampling/index.js';
import { type RunnablePlan, runnablePlan, sampleDefaults } from '../stages/sample/plan.js';
import { type DrawnBatch, Sampler } from '../stages/sample/sampler.js';
import type { HostTensor } from '../tensorflow/index.js';
import { checkOptions, stagesOf } from './options.js';
import type { SiT } from './sit.js';

/** Samples to draw. */
export interface DrawOptions {
  /** The class of each sample. */
  readonly labels: readonly number[];
  /** Sample i of a seed is the same in any batch, and in a `sample` stage. Default 0. */
  readonly seed?: number;
  /** Number of the first sample. Default 0. */
  readonly first?: number;
  /** 1, the default, follows the model as it is; more goes further away from what it draws without a class. */
  readonly guidanceScale?: number;
  /** Channels that are guided, from the first on. Default 3, as the reference does. */
  readonly guidanceChannels?: 3 | 'all';
  /** The times, both included, at which guidance acts. Default always. */
  readonly guidanceInterval?: readonly [from: number, to: number];
  /**
   * Shares of a sample's first distances, one for each model but the last, below which the sample goes on to the next
   * model.
   */
  readonly switchRatios?: readonly number[];
  /** Distances that are averaged before a sample may switch. Default 3. */
  readonly firstSteps?: number;
  /** Between successive states. Default mean absolute difference. */
  readonly distance?: PhaseOptions['distance'];
  /** Callback with the normalised states after each step, counted from 1. */
  readonly onState?: (x: HostTensor, step: number) => void;
  /** Callback with the share of the work that is done. */
  readonly onProgress?: (share: number) => void;
  readonly signal?: AbortSignal;
}

/** The keys of a `sampler` in pipeline files, with the same defaults. */
export type SdeOptions = DrawOptions & Partial<Omit<SamplerConfig, 'kind'>>;
export type OdeOptions = SdeOptions;

/**
 * Draws latents by the SDE, from one model or from several by turns, each sample switching on its own.
 *
 * @returns latents [samples, latentSize, latentSize, channels] as an autoencoder decodes them, the steps that each sample
 * took, and where it switched
 * @throws UserError `sampling-options` for what a `sample` stage may not have either, `closed` where a model is
 */
export function sampleSde(models: SiT | readonly SiT[], options: SdeOptions): Promise<DrawnBatch> {
  return sample(models, 'sde', options);
}

/** Samples as `sampleSde` does, by the probability-flow ODE. */
export function sampleOde(models: SiT | readonly SiT[], options: OdeOptions): Promise<DrawnBatch> {
  return sample(models, 'ode', options);
}

/** Samplers by the first of their models: what was compiled for a call serves the next one like it. */
const samplers = new WeakMap<SiT, Map<string, Sampler>>();

function sample(
  models: SiT | readonly SiT[],
  kind: SamplerConfig['kind'],
  options: SdeOptions,
): Promise<DrawnBatch> {
  const phases = 'config' in models ? [models] : models;
  const { labels, seed = 0, first = 0, onState, onProgress, signal, ...how } = options;
  const sessions = new Set(phases.map(({ session }) => session));
  checkSamples(phases, options);
  if (sessions.size > 1)
    throw invalid('models that draw one sample share a session; open them with the same `session`.');
  if (new Set(phases.map(({ normalization }) => JSON.stringify(normalization))).size > 1)
    throw invalid('models that draw one sample need a normalisation of latents in common.');
  const key = JSON.stringify([kind, labels.length, seed, phases.map(numberOf), how]);
  const known = samplers.get(phases[0]!) ?? new Map<string, Sampler>();
  samplers.set(phases[0]!, known);
  const sampler = known.get(key) ?? open(phases, kind, labels.length, seed, how);
  known.set(key, sampler);
  const rows = labels.map((_, i) => i);
  return sampler.draw(
    { first, size: labels.length, rows, labels: Int32Array.from(labels) },
    { ...(onState && { onState }), ...(onProgress && { onProgress }), ...(signal && { signal }) },
  );
}

type How = Omit<SdeOptions, 'labels' | 'seed' | 'first' | 'onState' | 'onProgress' | 'signal'>;

function open(
  models: readonly SiT[],
  kind: SamplerConfig['kind'],
  mostSamples: number,
  seed: number,
  how: How,
): Sampler {
  const { acting, switching, settings } = planOf(models, kind, mostSamples, how);
  const [{ session, normalization }] = models as [SiT];
  return new Sampler({
    session,
    networks: models.map((model) => ({ model, ...(acting && { guidance: acting }) })),
    phases: switching,
    settings,
    mostSamples,
    seed,
    normalization,
  });
}

/** Holds options to the schema and the rules of `sample` stages, and resolves them as such a stage's. */
function planOf(models: readonly SiT[], kind: SamplerConfig['kind'], count: number, how: How): RunnablePlan {
  const { guidanceScale: scale, guidanceChannels: channels, guidanceInterval: interval, ...rest } = how;
  const { switchRatios = [], firstSteps, distance, ...sampler } = rest;
  if (switchRatios.length !== models.length - 1)
    throw invalid(
      `${models.length} models need ${models.length - 1} \`switchRatios\`; there are ${switchRatios.length}.`,
    );
  const ids = models.map((_, i) => (models.length === 1 ? 'model' : `model-${i + 1}`));
  const stages = models.map(({ config, transport }, i) => stagesOf(ids[i]!, config, transport));
  const samples = {
    ...{ autoencoder: `${ids[0]!}-autoencoder`, count, firstSteps, distance },
    ...(models.length === 1
      ? { model: ids[0]! }
      : { phases: ids.map((model, i) => ({ model, switchRatio: switchRatios[i] })) }),
    ...(interval === undefined
      ? { guidanceScale: scale, guidanceChannels: channels }
      : { guidance: { scale: scale ?? 1, channels, interval } }),
    sampler: { kind, ...sampler },
  };
  checkOptions('sampling-options', cannotBeDrawn, {
    ...Object.fromEntries(stages.flatMap((of) => Object.entries(of))),
    samples: { uses: 'sample', ...samples },
  });
  return runnablePlan(sampleDefaults(samples));
}

function checkSamples(
  phases: readonly SiT[],
  { labels, seed = 0, first = 0, guidanceScale = 1 }: SdeOptions,
): void {
  if (phases.length === 0 || labels.length === 0) throw invalid('a model and a label are needed.');
  if (guidanceScale !== 1 && phases.some(({ guided }) => guided))
    throw invalid(
      'the model was trained to draw guided samples itself, and `guidanceScale` would guide them again.',
    );
  const { classes } = phases[0]!.config;
  const hasNull = phases.every(({ config }) => config.labelDropout > 0);
  const most = hasNull ? classes : classes - 1;
  const wrong = labels.find((label) => !Number.isInteger(label) || label < 0 || label > most);
  if (wrong !== undefined)
    throw invalid(
      `label ${String(wrong)}: expected 0 to ${classes - 1}${hasNull ? `, or ${classes} for no class` : ''}.`,
    );
  for (const [name, value] of Object.entries({ seed, first }))
    if (!Number.isInteger(value) || value < 0 || value >= 2 ** 32)
      throw invalid(
        `\`${name}\` must be a whole number from 0 to ${2 ** 32 - 1}; ${String(value)} was found.`,
      );
}

const numbers = new WeakMap<SiT, number>();
let count = 0;

/** Tells models apart. */
function numberOf(model: SiT): number {
  const known = numbers.get(model) ?? ++count;
  numbers.set(model, known);
  return known;
}

const cannotBeDrawn = 'Nothing can be drawn';

const invalid = (problem: string): UserError =>
  new UserError({ code: 'sampling-options', message: `${cannotBeDrawn}: ${problem}` });
