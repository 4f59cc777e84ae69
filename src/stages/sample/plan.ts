import type { PhaseConfig, SampleConfig, SamplerConfig } from '../../generated/index.js';
import { withDefaults } from '../../runner/schema/defaults.js';
import { readSchema } from '../../runner/schema/schema.js';
import type { Guidance, PhaseOptions, SamplerSettings } from '../../sampling/index.js';
import { integratorNames, stepFacts } from '../../transport/integrators.js';
import type { OdeMethod, SdeMethod, StepFacts } from '../../transport/integrators.js';
import type { SamplerChoice } from '../../transport/names.js';
import type { CheckContext, StageOf } from '../shared/check.js';

/** Guidance as a configuration has it. */
interface PlannedGuidance {
  readonly scale: number;
  readonly channels: 3 | 'all';
  readonly interval?: readonly [from: number, to: number];
  /** The stage of a weaker model: autoguidance. */
  readonly model?: string;
  readonly weights: 'ema' | 'raw';
}

/**
 * The meaning of a `sample` configuration, resolved once by `samplePlan` for checks, facts, memory, the run, calibration
 * and the library.
 */
export interface SamplePlan {
  readonly config: SampleConfig;
  /** The models in turn: one alone, or those of the phases. */
  readonly phases: readonly PhaseConfig[];
  /** Options that decide when samples go from phase to phase. */
  readonly switching: PhaseOptions;
  /** Guidance from either of the two ways to write it, whether it acts or not. */
  readonly guidance: PlannedGuidance;
  /** Guidance that changes anything; a scale of 1 is none. */
  readonly acting: Guidance | undefined;
  /** The stage of the weaker model of guidance that acts. */
  readonly weaker: string | undefined;
  /** Integrator of the sampler; undefined where the kind has no method of the name. */
  readonly settings: SamplerSettings | undefined;
  /** Facts about a step of the integrator, where there is one. */
  readonly step: StepFacts | undefined;
  /** Samples that are drawn together. */
  readonly atOnce: number;
}

/** A rule between keys of a `sample` stage, which gets the plan of it too. */
export type SampleCheck = (
  stage: StageOf<'sample'> & { readonly plan: SamplePlan },
  context: CheckContext,
) => void;

export function samplePlan(config: SampleConfig): SamplePlan {
  const { model, firstSteps, distance, guidanceScale, guidanceChannels, sampler, batch, count } = config;
  const phases = config.phases ?? [{ model: model! }];
  const guidance: PlannedGuidance = config.guidance ?? {
    ...{ scale: guidanceScale, channels: guidanceChannels, weights: 'ema' },
  };
  const { scale, channels, interval } = guidance;
  const acts = scale !== 1;
  const settings = settingsOf(sampler);
  return {
    config,
    phases,
    switching: {
      ...{ firstSteps, distance },
      switchRatios: phases.flatMap(({ switchRatio }) => switchRatio ?? []),
    },
    guidance,
    acting: acts ? { scale, channels, ...(interval && { interval }) } : undefined,
    weaker: acts ? guidance.model : undefined,
    settings,
    step: settings && stepFacts(settings.choice),
    atOnce: Math.min(batch, count),
  };
}

/** The plan of a configuration whose sampler the checks let pass. */
export type RunnablePlan = SamplePlan & { readonly settings: SamplerSettings };

export function runnablePlan(config: SampleConfig): RunnablePlan {
  const plan = samplePlan(config);
  const { settings } = plan;
  if (settings === undefined)
    throw new Error(`The ${config.sampler.kind} has no method ${config.sampler.method}.`);
  return { ...plan, settings };
}

function settingsOf(sampler: SamplerConfig): SamplerSettings | undefined {
  const { steps, timeShift, diffusionNorm, order, absoluteTolerance, relativeTolerance } = sampler;
  const { sampleEpsilon, featureCache } = sampler;
  const choice = choiceOf(sampler);
  return (
    choice && {
      choice,
      steps,
      timeShift,
      diffusionNorm,
      order,
      tolerances: { absolute: absoluteTolerance, relative: relativeTolerance },
      ...(sampleEpsilon !== undefined && { sampleEpsilon }),
      ...(featureCache && { featureCache }),
    }
  );
}

function choiceOf(sampler: SamplerConfig): SamplerChoice | undefined {
  const { kind, method, diffusion, lastStep, lastStepSize } = sampler;
  if (!integratorNames(kind).includes(method)) return undefined;
  if (kind === 'ode') return { kind, method: method as OdeMethod };
  return { kind, method: method as SdeMethod, diffusion, lastStep, lastStepSize };
}

/** A configuration with the defaults of the schema. */
export function sampleDefaults(config: object): SampleConfig {
  return withDefaults(readSchema('stages/sample.schema.json'), config) as SampleConfig;
}
