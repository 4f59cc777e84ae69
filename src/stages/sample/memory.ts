import { type AutoencoderConfig, downsampleOf } from '../../models/autoencoder-kl/config.js';
import { gpuCodingMemory } from '../../models/autoencoder-kl/gpu-memory.js';
import { partitionedBytes } from '../../models/autoencoder-kl/memory.js';
import { autoencoderParameters } from '../../models/autoencoder-kl/parameters.js';
import type { SiTConfig } from '../../models/sit/config.js';
import { type DecodingCost, type SamplingChoice, samplingMemory } from '../../models/sit/memory.js';
import { gpuDrawingMemory } from '../../models/sit/gpu-memory.js';
import { numbersIn } from '../../nn/parameter.js';
import { type ComputingGpu, requireMemory } from '../shared/memory.js';
import type { SamplePlan } from './plan.js';

/** The models of a stage. */
export interface SampledModels {
  /** One of each phase. */
  readonly phases: readonly SiTConfig[];
  /** Autoguidance's. */
  readonly base?: SiTConfig | undefined;
  readonly autoencoder: AutoencoderConfig;
}

/** The bytes that a sampling is expected to need at its peak, in each of some workers, of what computes. */
export function expectedMemory(
  plan: SamplePlan,
  models: SampledModels,
  workers: number,
  gpu?: ComputingGpu,
): number {
  const choice = samplingChoice(plan, models);
  if (gpu === undefined) return samplingMemory(choice, decodingCost(plan, models, workers));
  const size = models.phases[0]!.latentSize * downsampleOf(models.autoencoder);
  const images = decodedAtOnce(plan.atOnce, size);
  const memoryMiB = plan.config.autoencoderMemoryMiB;
  // The allocator keeps what the one needs for the other, and both may compute at the same time.
  return (
    gpuDrawingMemory(choice, gpu) +
    gpuCodingMemory(models.autoencoder, { work: 'decode', size, images, memoryMiB })
  );
}

/** @throws UserError `memory-does-not-suffice` where what computes has fewer bytes than a sampling is expected to need */
export function requireSamplingMemory(
  plan: SamplePlan,
  models: SampledModels,
  workers: number,
  gpu?: ComputingGpu,
  available?: number,
): void {
  const need = {
    what: 'This sampling',
    bytes: expectedMemory(plan, models, workers, gpu),
    samples: plan.atOnce,
    remedy: () =>
      `Draw fewer samples at a time (a smaller \`batch\`, now ${plan.config.batch}), decode with less memory (a smaller \`autoencoderMemoryMiB\`, now ${plan.config.autoencoderMemoryMiB}), or use a smaller model.`,
    gpu,
  };
  requireMemory(need, available);
}

function samplingChoice(plan: SamplePlan, { phases, base }: SampledModels): SamplingChoice {
  const featureCache = plan.settings?.featureCache;
  return {
    models: phases.map((model) => ({ model, ...(base && { base }) })),
    batch: plan.atOnce,
    guided: plan.acting !== undefined,
    gradients: plan.config.likelihood,
    features: featureCache === undefined ? 0 : featureCache.order + 1,
  };
}

function decodingCost(
  plan: SamplePlan,
  { phases, autoencoder }: SampledModels,
  workers: number,
): DecodingCost {
  const { latentSize } = phases[0]!;
  const { config, atOnce: samples } = plan;
  const atOnce = decodedAtOnce(samples, latentSize * downsampleOf(autoencoder));
  const sides = [latentSize, latentSize] as const;
  return {
    parameters: numbersIn(autoencoderParameters(autoencoder)),
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
