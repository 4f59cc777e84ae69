import {
  type SampleConfig,
  type SamplerConfig,
  guidanceOf,
  phasesOf,
  samplerChoice,
} from '../../config/index.js';
import type { Guidance, PhaseOptions, SamplerSettings } from '../../sampling/index.js';

/** The sampler that a valid configuration describes. */
export function samplerSettings(sampler: SamplerConfig): SamplerSettings {
  const { steps, diffusionNorm, order, absoluteTolerance, relativeTolerance } = sampler;
  const { sampleEpsilon, featureCache } = sampler;
  const choice = samplerChoice(sampler);
  if (choice === undefined) throw new Error(`The ${sampler.kind} has no method ${sampler.method}.`);
  return {
    choice,
    steps,
    diffusionNorm,
    order,
    tolerances: { absolute: absoluteTolerance, relative: relativeTolerance },
    ...(sampleEpsilon !== undefined && { sampleEpsilon }),
    ...(featureCache && { featureCache }),
  };
}

/** When samples switch from phase to phase. */
export function phaseOptions(
  config: Pick<SampleConfig, 'model' | 'phases' | 'firstSteps' | 'distance'>,
): PhaseOptions {
  const { firstSteps, distance } = config;
  const switchRatios = phasesOf(config).flatMap(({ switchRatio }) => switchRatio ?? []);
  return { firstSteps, distance, switchRatios };
}

/** Guidance that does anything. */
export function activeGuidance(
  config: Pick<SampleConfig, 'guidance' | 'guidanceScale' | 'guidanceChannels'>,
): Guidance | undefined {
  const { scale, channels, interval } = guidanceOf(config);
  return scale === 1 ? undefined : { scale, channels, ...(interval && { interval }) };
}
