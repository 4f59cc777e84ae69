import type { PhaseConfig, SampleConfig, SamplerConfig } from '../../generated/index.js';
import { withDefaults } from '../../runner/schema/defaults.js';
import { readSchema } from '../../runner/schema/schema.js';
import { integratorNames, type OdeMethod, type SdeMethod } from '../../transport/integrators.js';
import type { SamplerChoice } from '../../transport/names.js';

/** Guidance of a `sample` stage. */
export interface ResolvedGuidance {
  readonly scale: number;
  readonly channels: 3 | 'all';
  readonly interval?: readonly [from: number, to: number];
  /** The stage of a weaker model: autoguidance. */
  readonly model?: string;
  readonly weights: 'ema' | 'raw';
}

/** The models of a `sample` stage in turn: one alone, or those of its phases. */
export function phasesOf({ model, phases }: Pick<SampleConfig, 'model' | 'phases'>): readonly PhaseConfig[] {
  return phases ?? [{ model: model! }];
}

/** Guidance from either of the two ways to write it. A scale of 1 is none. */
export function guidanceOf(
  config: Pick<SampleConfig, 'guidance' | 'guidanceScale' | 'guidanceChannels'>,
): ResolvedGuidance {
  const { guidance, guidanceScale, guidanceChannels } = config;
  return guidance ?? { scale: guidanceScale, channels: guidanceChannels, weights: 'ema' };
}

/** The integrator that a configuration names; nothing where the kind has none of that name. */
export function samplerChoice(sampler: SamplerConfig): SamplerChoice | undefined {
  const { kind, method, diffusion, lastStep, lastStepSize } = sampler;
  if (!integratorNames(kind).includes(method)) return undefined;
  if (kind === 'ode') return { kind, method: method as OdeMethod };
  return { kind, method: method as SdeMethod, diffusion, lastStep, lastStepSize };
}

/** A sampler with the defaults that the schema gives its keys. */
export function samplerDefaults(
  sampler: Pick<SamplerConfig, 'kind'> & Partial<SamplerConfig>,
): SamplerConfig {
  const { properties } = readSchema('stages/sample.schema.json');
  return withDefaults(properties!.sampler!, sampler) as SamplerConfig;
}
