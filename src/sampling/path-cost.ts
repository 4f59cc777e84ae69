import { gridOf, type SiTConfig } from '../models/sit/config.js';
import { sitCost } from '../models/sit/cost.js';
import { stepFacts } from '../transport/integrators.js';
import { lastStepSize } from '../transport/interval.js';
import type { TransportChoice } from '../transport/names.js';
import { type ComputedSteps, type FeatureCache, isComputed, withStep } from './feature-cache.js';
import { type Guidance, guides } from './guidance.js';
import { stepsOf } from './integrate.js';
import { pathTimes, type SamplerSettings } from './paths/choose.js';

/** Evaluations of a network in one step of a path. */
export interface StepEvaluations {
  readonly evaluations: number;
  /** True when guidance acts in it. */
  readonly guided: boolean;
}

/** Evaluations of a network in each step of a path. `adaptiveSteps`: how many a method that chooses its own took. */
export function stepEvaluations(
  { config, ...transport }: TransportChoice & { readonly config: SiTConfig },
  settings: SamplerSettings,
  guidance: Guidance | undefined,
  adaptiveSteps = settings.steps - 1,
): StepEvaluations[] {
  const { choice } = settings;
  const guided = (t: number, dt: number) => guidance !== undefined && guides(guidance, t, dt);
  const { evaluations, isAdaptive } = stepFacts(choice);
  if (isAdaptive)
    return new Array<StepEvaluations>(adaptiveSteps).fill({ evaluations, guided: guided(0, 1) });
  const times = pathTimes(transport, settings, gridOf(config) ** 2);
  const steps = stepsOf(times).map(({ t, dt }) => ({
    evaluations,
    guided: guided(t, evaluations > 1 ? dt : 0),
  }));
  if (choice.kind === 'sde' && lastStepSize(choice) > 0)
    steps.push({ evaluations: 1, guided: guided(times.at(-1)!, 0) });
  return steps;
}

/** The models of a network. */
export interface CostedNetwork {
  readonly model: { readonly config: SiTConfig };
  /** Autoguidance's. */
  readonly base?: { readonly config: SiTConfig };
}

/** Multiply-accumulates of each step for one sample. */
export function stepCosts(network: CostedNetwork, steps: readonly StepEvaluations[]): number[] {
  const own = sitCost(network.model.config).multiplyAccumulates;
  const base = network.base ? sitCost(network.base.config).multiplyAccumulates : own;
  return steps.map(({ evaluations, guided }) => evaluations * (guided ? own + base : own));
}

/** Steps of a path whose features are predicted, and their cost. */
export interface PredictedSteps {
  readonly cache: FeatureCache;
  /** Cost of each step of each phase where it is predicted. */
  readonly costs: readonly (readonly number[])[];
  /** True for each step in which guidance acts: where that changes, prediction begins anew. */
  readonly guided: readonly boolean[];
  /** The step from which on everything is computed. */
  readonly lastStep: number;
}

/** Divides a path's steps into computed and predicted ones; undefined where the settings predict nothing. */
export function predictedSteps(
  networks: readonly CostedNetwork[],
  { choice, featureCache }: SamplerSettings,
  steps: readonly StepEvaluations[],
): PredictedSteps | undefined {
  if (featureCache === undefined) return undefined;
  const lastIsComputed = choice.kind === 'ode' || lastStepSize(choice) > 0;
  return {
    cache: featureCache,
    costs: networks.map(({ model, base = model }) => {
      const [own, other] = [model, base].map(({ config }) => sitCost(config).outsideBlocks) as [
        number,
        number,
      ];
      return steps.map(({ guided }) => (guided ? own + other : own));
    }),
    guided: steps.map(({ guided }) => guided),
    lastStep: lastIsComputed ? steps.length - 1 : Infinity,
  };
}

/**
 * Multiply-accumulates of a sample's path through phases.
 *
 * @param costs of each phase, `stepCosts`
 * @param switches the steps (from 0) after which the second phase began, the third, and so on; null: never
 * @param predicted which steps are not computed
 */
export function phasedCost(
  costs: readonly (readonly number[])[],
  switches: readonly (number | null)[],
  predicted?: PredictedSteps,
): number {
  const steps = costs[0]?.length ?? 0;
  let sum = 0;
  let series: { readonly phase: number; readonly guided: boolean } | undefined;
  let known: ComputedSteps | undefined;
  for (let step = 0; step < steps; step++) {
    const phase = switches.filter((last) => last !== null && last < step).length;
    const computing = costs[phase]![step]!;
    if (predicted === undefined) {
      sum += computing;
      continue;
    }
    const { cache, guided, lastStep } = predicted;
    if (series?.phase !== phase || series.guided !== guided[step]) {
      series = { phase, guided: guided[step]! };
      known = undefined;
    }
    const computes = isComputed(cache, known, step, lastStep);
    sum += computes ? computing : predicted.costs[phase]![step]!;
    if (computes) known = withStep(known, step);
  }
  return sum;
}

/** Multiply-accumulates of a sample's path through the most costly model alone, every step computed. */
export function largestCost(costs: readonly (readonly number[])[]): number {
  return Math.max(...costs.map((ofPhase) => ofPhase.reduce((sum, cost) => sum + cost, 0)));
}

/** Steps of a path; of a method that chooses its own steps, points of its grid after the first. */
export function pathStepsOf({ choice, steps }: SamplerSettings): number {
  return steps - 1 + (choice.kind === 'sde' && lastStepSize(choice) > 0 ? 1 : 0);
}
