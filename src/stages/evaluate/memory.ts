import { statSync } from 'node:fs';
import { resolve as resolvePath } from 'node:path';
import { counted, formatBytes } from '../../base/format.js';
import type { EvaluateConfig, SampleConfig } from '../../generated/index.js';
import {
  comparingGpuMemory,
  efficientNetGpuMemory,
  efficientNetWeights,
  inceptionGpuMemory,
} from '../../metrics/gpu-memory.js';
import { downsampleOf } from '../../models/autoencoder-kl/config.js';
import { gpuCodingMemory } from '../../models/autoencoder-kl/gpu-memory.js';
import { defaultMemoryMiB } from '../../models/autoencoder-kl/memory.js';
import type { RuntimeConfig, StageFact } from '../../runner/stage.js';
import { samplePlan } from '../sample/plan.js';
import { computingGpu, largestThatFits, neededMemory, requireMemory } from '../shared/memory.js';
import { plannedAutoencoderModel, plannedImages, plannedModel, type Resolve } from '../shared/planned.js';
import { comparesRows, neededNetworks, networkOf, type NetworkName, widths } from './figures.js';

/** Tells the memory that an evaluation needs of a GPU. */
export async function describeEvaluate(
  config: EvaluateConfig,
  resolve: Resolve,
  runtime: RuntimeConfig,
  directory: string,
): Promise<readonly StageFact[]> {
  const gpu = computingGpu(runtime);
  if (gpu === undefined) return [];
  const bytes = (await gpuNeed(config, resolve, directory))(config.batch);
  const { workers, batch } = { ...runtime, ...config };
  return [{ label: 'GPU memory', value: neededMemory(bytes, gpu, workers, counted(batch, 'image')) }];
}

/**
 * Refuses an evaluation that a GPU of this machine cannot hold.
 *
 * @throws UserError `memory-does-not-suffice`
 */
export async function requirePlannedMemory(
  config: EvaluateConfig,
  resolve: Resolve,
  runtime: RuntimeConfig,
  directory: string,
): Promise<void> {
  const gpu = computingGpu(runtime);
  if (gpu === undefined) return;
  const bytesOf = await gpuNeed(config, resolve, directory);
  const { batch: samples } = config;
  const remedy = (most: number): string => {
    const fits = largestThatFits(samples - 1, bytesOf, most);
    return fits === undefined
      ? `Even one image at a time needs about ${formatBytes(bytesOf(1))}: compute it on the processor (\`runtime: { device: cpu }\`).`
      : `Set \`batch: ${fits}\` (about ${formatBytes(bytesOf(fits))}).`;
  };
  const need = { what: 'This evaluation', bytes: bytesOf(samples), samples, noun: 'image', remedy, gpu };
  requireMemory(need);
}

/** Bytes of a GPU that an evaluation needs, by its batch: its networks come one after the other. */
async function gpuNeed(
  config: EvaluateConfig,
  resolve: Resolve,
  directory: string,
): Promise<(batch: number) => number> {
  const { metrics, inceptionFile, autoencoder } = config;
  const needed = neededNetworks(config);
  const model = needed.includes('latents') ? await plannedAutoencoderModel(autoencoder!, resolve) : undefined;
  const size = model && (await encodedSize(config, resolve));
  const file = needed.includes('inception')
    ? (statSync(resolvePath(directory, inceptionFile!), { throwIfNoEntry: false })?.size ?? 0)
    : 0;
  const compared = networkOf(config);
  const weights = compared === 'inception' ? file : efficientNetWeights;
  const comparing = metrics
    .filter(comparesRows)
    .map((metric) => weights + comparingGpuMemory(metric, widths[compared]));
  const needs: Readonly<Record<NetworkName, (batch: number) => number>> = {
    // Of unknown images, what bounds it.
    latents: (images) =>
      model === undefined || size === undefined
        ? defaultMemoryMiB * 2 ** 20
        : gpuCodingMemory(model, { work: 'encode', size, images, memoryMiB: defaultMemoryMiB }),
    efficientnet: efficientNetGpuMemory,
    inception: (images) => inceptionGpuMemory(images, file),
  };
  return (batch) => Math.max(...needed.map((name) => needs[name](batch)), ...comparing);
}

/** Side of the largest images that are encoded; undefined where it is not known. */
async function encodedSize(
  { samples, reference, samplesFile, referenceFile }: EvaluateConfig,
  resolve: Resolve,
): Promise<number | undefined> {
  if (samplesFile !== undefined || referenceFile !== undefined) return undefined;
  const sizes = await Promise.all(
    [samples, reference].flatMap((id) => (id === undefined ? [] : [sizeOfSet(id, resolve)])),
  );
  return sizes.includes(undefined) ? undefined : Math.max(...(sizes as number[]));
}

/** Side of a stage's images, 0 of one that has latents already; undefined where it is not known. */
async function sizeOfSet(id: string, resolve: Resolve): Promise<number | undefined> {
  const { kind, config } = resolve(id);
  if (kind === 'images') return plannedImages(id, resolve).size;
  if (kind !== 'sample') return 0;
  const { phases, config: written } = samplePlan(config as unknown as SampleConfig);
  const model = await plannedModel(phases[0]!.model, resolve);
  const autoencoder = await plannedAutoencoderModel(written.autoencoder, resolve);
  return model && autoencoder && model.latentSize * downsampleOf(autoencoder);
}
