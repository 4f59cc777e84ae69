import { counted, formatBytes, formatLarge } from '../../base/format.js';
import { decodingBytes, keptBytes } from '../../data/images/rgb-image.js';
import type { AutoencoderConfig as StageConfig, PretrainedAutoencoderConfig } from '../../generated/index.js';
import type { AutoencoderConfig } from '../../models/autoencoder-kl/config.js';
import { gpuAutoencoderMemory } from '../../models/autoencoder-kl/gpu-memory.js';
import { hostMemoryOnGpu, trainingBytes } from '../../models/autoencoder-kl/memory.js';
import { autoencoderParameters } from '../../models/autoencoder-kl/parameters.js';
import { numbersIn } from '../../nn/parameter.js';
import type { RuntimeConfig, StageFact, StageTiming } from '../../runner/stage.js';
import { computingGpu, largestThatFits, neededMemory, requireMemory } from '../shared/memory.js';
import { plannedImages, type Resolve } from '../shared/planned.js';
import { modelConfig } from './config.js';

/** Describes the cost of an autoencoder that is trained; of a trained one its output tells. */
export function describeAutoencoder(
  config: StageConfig | PretrainedAutoencoderConfig,
  resolve: Resolve,
  runtime: RuntimeConfig,
): readonly StageFact[] {
  if ('weights' in config) return [];
  const { workers } = runtime;
  const { size } = plannedImages(config.images, resolve);
  const batch = config.batch / workers;
  const model = modelConfig(config);
  const gpu = computingGpu(runtime);
  const bytes = expectedMemory(model, size, batch, runtime);
  const reading = `up to ${formatBytes(decodingBytes)} to read images and ${formatBytes(keptBytes)} to keep them`;
  const needed = neededMemory(bytes, gpu, workers, counted(batch, 'image'));
  return [
    { label: 'parameters', value: formatLarge(numbersIn(autoencoderParameters(model))) },
    gpu === undefined
      ? { label: 'memory', bytes, value: `${needed} on a processor, and ${reading}` }
      : { label: 'GPU memory', bytes: hostMemoryOnGpu(model), value: `${needed}; ${reading}` },
    { label: 'steps', value: formatLarge(config.steps) },
    { label: 'images seen', value: formatLarge(config.steps * config.batch) },
  ];
}

/** The bytes that training an autoencoder is expected to need at its peak, of what computes. */
export function expectedMemory(
  model: AutoencoderConfig,
  size: number,
  batch: number,
  runtime: RuntimeConfig,
): number {
  return computingGpu(runtime) === undefined
    ? trainingBytes(model, size, batch)
    : gpuAutoencoderMemory(model, size, batch, runtime.workers > 1);
}

/**
 * Refuses a training that a GPU of this machine cannot hold.
 *
 * @throws UserError `memory-does-not-suffice`
 */
export function requirePlannedMemory(config: StageConfig, resolve: Resolve, runtime: RuntimeConfig): void {
  const gpu = computingGpu(runtime);
  if (gpu === undefined) return;
  const { size } = plannedImages(config.images, resolve);
  const { workers } = runtime;
  const samples = config.batch / workers;
  const bytesOf = (batch: number) => gpuAutoencoderMemory(modelConfig(config), size, batch, workers > 1);
  const remedy = (most: number): string => {
    const fits = largestThatFits(samples - 1, bytesOf, most);
    return fits === undefined
      ? `Even one image at a time needs about ${formatBytes(bytesOf(1))}: use smaller images, or fewer \`channels\`.`
      : `Set \`batch: ${fits * workers}\` (about ${formatBytes(bytesOf(fits))}), or use smaller images or fewer \`channels\`.`;
  };
  const need = { what: 'This autoencoder', bytes: bytesOf(samples), samples, noun: 'image', remedy, gpu };
  requireMemory(need);
}

/** Work of a training in steps, which take as long for the same architecture, batch and size. */
export function autoencoderTiming(
  config: StageConfig | PretrainedAutoencoderConfig,
  resolve: Resolve,
): StageTiming {
  // What is in a file is not known before it is opened: it takes as long as it took.
  if ('weights' in config) return { like: { weights: config.weights } };
  const { channels, latentChannels, downsample, layersPerBlock, batch, steps } = config;
  const { size } = plannedImages(config.images, resolve);
  return { amount: steps, like: { channels, latentChannels, downsample, layersPerBlock, batch, size } };
}
