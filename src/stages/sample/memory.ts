import type { SampleConfig } from '../../generated/index.js';
import { type AutoencoderConfig, downsampleOf } from '../../models/autoencoder-kl/config.js';
import { partitionedBytes } from '../../models/autoencoder-kl/memory.js';
import { autoencoderParameters } from '../../models/autoencoder-kl/parameters.js';
import type { SiTConfig } from '../../models/sit/config.js';
import { type DecodingCost, type SamplingChoice, samplingMemory } from '../../models/sit/memory.js';
import { sizeOf } from '../../tensorflow/data-types.js';
import { requireMemory } from '../shared/memory.js';
import { activeGuidance } from './settings.js';

/** The models of a stage. */
export interface SampledModels {
  /** One of each phase. */
  readonly phases: readonly SiTConfig[];
  /** Autoguidance's. */
  readonly base?: SiTConfig | undefined;
  readonly autoencoder: AutoencoderConfig;
}

type Keys =
  | 'batch'
  | 'count'
  | 'autoencoderMemoryMiB'
  | 'guidance'
  | 'guidanceScale'
  | 'guidanceChannels'
  | 'likelihood'
  | 'sampler';

/** The bytes that a sampling is expected to need at its peak, in each of some workers. */
export function expectedMemory(
  config: Pick<SampleConfig, Keys>,
  models: SampledModels,
  workers: number,
): number {
  return samplingMemory(samplingChoice(config, models), decodingCost(config, models, workers));
}

/** Samples that are drawn at once. */
export function drawnAtOnce({ batch, count }: Pick<SampleConfig, 'batch' | 'count'>): number {
  return Math.min(batch, count);
}

/** @throws UserError `memory-does-not-suffice` where the machine has fewer bytes than a sampling is expected to need */
export function requireSamplingMemory(
  config: Pick<SampleConfig, Keys>,
  models: SampledModels,
  workers: number,
  available?: number,
): void {
  const need = {
    what: 'This sampling',
    bytes: expectedMemory(config, models, workers),
    samples: drawnAtOnce(config),
    remedy: `Draw fewer at a time (a smaller \`batch\`, now ${config.batch}), or decode within less (a smaller \`autoencoderMemoryMiB\`, now ${config.autoencoderMemoryMiB}); or take a smaller model.`,
  };
  requireMemory(need, available);
}

function samplingChoice(config: Pick<SampleConfig, Keys>, { phases, base }: SampledModels): SamplingChoice {
  const { featureCache } = config.sampler;
  return {
    models: phases.map((model) => ({ model, ...(base && { base }) })),
    batch: drawnAtOnce(config),
    guided: activeGuidance(config) !== undefined,
    gradients: config.likelihood,
    features: featureCache === undefined ? 0 : featureCache.order + 1,
  };
}

function decodingCost(
  config: Pick<SampleConfig, Keys>,
  { phases, autoencoder }: SampledModels,
  workers: number,
): DecodingCost {
  const { latentSize } = phases[0]!;
  const samples = drawnAtOnce(config);
  const atOnce = decodedAtOnce(samples, latentSize * downsampleOf(autoencoder));
  const sides = [latentSize, latentSize] as const;
  return {
    parameters: autoencoderParameters(autoencoder).reduce((sum, { shape }) => sum + sizeOf(shape), 0),
    bytes: partitionedBytes(autoencoder, 'decode', sides, atOnce, config.autoencoderMemoryMiB),
    whileDrawing: Math.ceil(config.count / config.batch) > workers,
  };
}

/** Pixels that are decoded at once: what bounds the memory of decoding. */
const mostPixels = 2 ** 20;

/**
 * Number of `total` pictures, `side` pixels wide, that are decoded at once: as many each time, but for the last few.
 */
export function decodedAtOnce(total: number, side: number): number {
  return evenPart(total, Math.floor(mostPixels / side ** 2));
}

/** The size of the parts that `total` is divided into, each at most `most`, so that the last lacks as little as may be. */
function evenPart(total: number, most: number): number {
  return Math.ceil(total / Math.ceil(total / Math.max(1, most)));
}
