import { withDefaults } from './schema/defaults.js';
import { readSchema } from './schema/schema.js';
import type { OdeMethod, SamplerChoice, SdeMethod } from '../transport/names.js';
import type { PhaseConfig, SampleConfig, SamplerConfig } from './generated/index.js';

/** What guides a `sample` stage. */
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

/** Methods of each kind, by the names of configurations. */
export const samplerMethods = {
  sde: { eulerMaruyama: 'eulerMaruyama', heun: 'heun' },
  ode: {
    euler: 'euler',
    midpoint: 'midpoint',
    heun: 'heun2',
    heun3: 'heun3',
    rk4: 'rk4',
    dopri5: 'dopri5',
    adamsBashforth: 'adamsBashforth',
  },
} as const satisfies {
  sde: Record<string, SdeMethod>;
  ode: Record<string, OdeMethod>;
};

/** The integrator that a configuration names; nothing where the kind has none of that name. */
export function samplerChoice(sampler: SamplerConfig): SamplerChoice | undefined {
  const { kind, diffusion, lastStep, lastStepSize } = sampler;
  if (kind === 'ode') {
    const method = methodOf(samplerMethods.ode, sampler.method);
    return method && { kind, method };
  }
  const method = methodOf(samplerMethods.sde, sampler.method);
  return method && { kind, method, diffusion, lastStep, lastStepSize };
}

function methodOf<M extends string>(methods: Readonly<Record<string, M>>, name: string): M | undefined {
  return Object.hasOwn(methods, name) ? methods[name] : undefined;
}

/** A sampler with the defaults that the schema gives its keys. */
export function samplerDefaults(
  sampler: Pick<SamplerConfig, 'kind'> & Partial<SamplerConfig>,
): SamplerConfig {
  const { properties } = readSchema('stages/sample.schema.json');
  return withDefaults(properties!.sampler!, sampler) as SamplerConfig;
}
