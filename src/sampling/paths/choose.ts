import { gridOf } from '../../models/sit/config.js';
import { sitCost } from '../../models/sit/cost.js';
import type { ProgramSession } from '../../tensorflow/index.js';
import {
  defaultSampleEpsilon,
  lastStepSize,
  odeIntegrator,
  type OneStepMethod,
  type SamplerChoice,
  resolutionShift,
  shiftTime,
  timeInterval,
  type TransportChoice,
} from '../../transport/index.js';
import { BatchSizes, type SamplingWork } from '../batch-sizes.js';
import type { FeatureCache } from '../feature-cache.js';
import { uniformTimes } from '../integrate.js';
import type { Tolerances } from '../integrators/runge-kutta.js';
import type { Network } from '../network.js';
import type { PhaseOptions } from '../phases.js';
import { adaptivePath } from './adaptive.js';
import { cachedEulerSteps, cachedSdeSteps } from './cached.js';
import { densityField, gridPath, multistepSteps, rungeKuttaSteps, sampleField, sdeSteps } from './path.js';
import type { FollowPath } from './path.js';

/** Settings of the way from noise to data, in full. */
export interface SamplerSettings {
  readonly choice: SamplerChoice;
  /** Points of the time grid. */
  readonly steps: number;
  /** Factor by which the grid is shifted towards the noise, or the tokens at which it is 1; 1 by default. */
  readonly timeShift?: number | { readonly baseTokens: number };
  /** Factor of an SDE's diffusion coefficient. */
  readonly diffusionNorm: number;
  /** Order of a multistep method. */
  readonly order: number;
  /** Tolerances of a method that chooses its own steps. */
  readonly tolerances: Tolerances;
  /** Steps whose features are predicted; for methods of one evaluation a step. */
  readonly featureCache?: FeatureCache;
  /** Time kept away from the ends; by default what the sampler needs. */
  readonly sampleEpsilon?: number;
}

export interface PathOptions {
  readonly session: ProgramSession;
  /** A network for each phase, of the same transport. */
  readonly networks: readonly Network[];
  readonly phases: PhaseOptions;
  readonly settings: SamplerSettings;
  /** Largest number of samples that are followed together. */
  readonly mostSamples: number;
  /** Samples that are drawn in all, by whomever; by default as many as are followed together. */
  readonly totalSamples?: number;
  /** True to follow the path from data to noise. Only for ODEs. */
  readonly reverse?: boolean;
  /** Follows the states of `likelihoodState`, with a `probe` of each sample. Only for ODEs. */
  readonly density?: boolean;
}

/**
 * The grid of times from noise to data.
 *
 * @param tokens of the model
 */
export function pathTimes(
  transport: TransportChoice,
  settings: Pick<SamplerSettings, 'choice' | 'steps' | 'timeShift' | 'sampleEpsilon'>,
  tokens: number,
): number[] {
  const { choice, steps, timeShift = 1, sampleEpsilon = defaultSampleEpsilon(transport, choice) } = settings;
  const [start, end] = timeInterval(transport, sampleEpsilon, choice);
  const factor = typeof timeShift === 'number' ? timeShift : resolutionShift(tokens, timeShift.baseTokens);
  if (factor === 1) return uniformTimes([start, end], steps);
  const shift = shiftTime(factor);
  const shifted = uniformTimes([0, 1], steps).map((t) => start + (end - start) * shift(t));
  return shifted.with(-1, end);
}

/**
 * Power of a step's length by which a sampler's states move apart, where its steps differ in length: noise adds the square
 * root of time to a state, a velocity time itself. 0 where steps have one length.
 */
export function timePower({ choice, timeShift = 1 }: SamplerSettings): number {
  if (timeShift === 1) return 0;
  return choice.kind === 'sde' ? 0.5 : 1;
}

/** The path of a sampler through networks. */
export function pathOf(options: PathOptions): FollowPath {
  const { session, networks, settings, reverse = false, density = false } = options;
  const phases: PhaseOptions = { ...options.phases, timePower: timePower(settings) };
  const { mostSamples, totalSamples = mostSamples } = options;
  const { choice, featureCache: cache } = settings;
  const { transport, config } = networks[0]!.model;
  const times = pathTimes(transport, settings, gridOf(config) ** 2);
  const sizes = BatchSizes.worthTracing(mostSamples, samplingWork(networks, times.length * totalSamples));
  if (choice.kind === 'sde') {
    if (reverse || density) throw new RangeError('An SDE has no way back and no density.');
    const sampler = { ...choice, diffusionNorm: settings.diffusionNorm };
    const steps = sdeSteps(session, networks, sampler, sizes);
    const method = cache ? cachedSdeSteps(session, networks, sampler, cache, sizes, steps) : steps;
    return gridPath({ times, lastStepSize: lastStepSize(choice) }, phases, method);
  }
  if (reverse) times.reverse();
  const ode = { session, networks, sizes, field: density ? densityField : sampleField };
  const { method } = choice;
  const integrator = odeIntegrator(method);
  if (integrator.kind === 'adaptive')
    return adaptivePath(ode, integrator, times, phases, settings.tolerances);
  if (cache && integrator.kind === 'oneStep' && integrator.tableau.nodes.length === 0 && !density && !reverse)
    return gridPath({ times, lastStepSize: 0 }, phases, cachedEulerSteps(ode, cache, times.length - 1));
  const steps =
    integrator.kind === 'multistep'
      ? multistepSteps(ode, integrator.starters[settings.order - 1] as OneStepMethod, settings.order, times)
      : rungeKuttaSteps(ode, method as OneStepMethod);
  return gridPath({ times, lastStepSize: 0 }, phases, steps);
}

/** Cost of following samples, each step evaluating the most costly network once. */
function samplingWork(networks: readonly Network[], evaluations: number): SamplingWork {
  const asked = networks.map(({ model, guidance, base = model }) =>
    guidance === undefined ? [model] : [model, base],
  );
  const costs = asked.map((models) =>
    models.reduce((sum, { config }) => sum + sitCost(config).multiplyAccumulates, 0),
  );
  const blocks = networks.reduce((sum, { model }) => sum + model.config.mediators.length, 0);
  return { multiplyAccumulates: evaluations * Math.max(...costs), blocks };
}
