import { counted, formatBytes, formatLarge } from '../../base/format.js';
import { decodingBytes } from '../../data/images/rgb-image.js';
import type { AutoencoderConfig, EncodeConfig, PretrainedAutoencoderConfig } from '../../generated/index.js';
import { codedAtOnce, gpuCodingMemory } from '../../models/autoencoder-kl/gpu-memory.js';
import type { RuntimeConfig, StageFact, StageTiming } from '../../runner/stage.js';
import { computingGpu, neededMemory, requireMemory } from '../shared/memory.js';
import { plannedAutoencoderModel, plannedImages, plannedLatents, type Resolve } from '../shared/planned.js';

/** Describes the output of encoding and what it needs, as far as configurations and cached outputs tell. */
export async function describeEncode(
  config: EncodeConfig,
  resolve: Resolve,
  runtime: RuntimeConfig,
): Promise<readonly StageFact[]> {
  const latents = plannedLatents(config, resolve);
  if (latents === undefined) return [];
  const gpu = computingGpu(runtime);
  const need = gpu && (await gpuNeed(config, resolve));
  const { latentSize, channels, count } = latents;
  // Mean and standard deviation; those of some classes' mirror images are not counted in, as it is not known how many.
  const each = 2 * latentSize ** 2 * channels * (config.dtype === 'float16' ? 2 : 4);
  const bytes = each * (config.flips === true ? 2 : 1);
  return [
    {
      label: 'latents',
      value: `${latentSize} × ${latentSize} × ${channels}, ${formatBytes(bytes)} an image`,
    },
    ...(count === undefined
      ? []
      : [{ label: 'disk', value: `${formatBytes(count * bytes)} for ${formatLarge(count)} images` }]),
    gpu === undefined || need === undefined
      ? {
          label: 'memory',
          value: `up to ${formatBytes(config.autoencoderMemoryMiB * 2 ** 20)} to encode and ${formatBytes(decodingBytes)} to read images of any size, beside TensorFlow and the weights`,
        }
      : {
          label: 'GPU memory',
          value: neededMemory(
            need.bytes(config.autoencoderMemoryMiB),
            gpu,
            runtime.workers,
            counted(need.images, 'image'),
          ),
        },
  ];
}

/** Need of a GPU for encoding; undefined where the autoencoder is not known. */
async function gpuNeed(config: EncodeConfig, resolve: Resolve) {
  const autoencoder = await plannedAutoencoderModel(config.autoencoder, resolve);
  if (autoencoder === undefined) return undefined;
  const { size, count = Infinity } = plannedImages(config.images, resolve);
  const images = Math.min(config.batch, count) * (config.flips === false ? 1 : 2);
  const coding = (memoryMiB: number) => ({ work: 'encode', size, images, memoryMiB }) as const;
  return {
    images: codedAtOnce(autoencoder, coding(config.autoencoderMemoryMiB)).count,
    bytes: (memoryMiB: number) => gpuCodingMemory(autoencoder, coding(memoryMiB)),
  };
}

/**
 * Refuses an encoding that a GPU of this machine cannot hold.
 *
 * @throws UserError `memory-does-not-suffice`
 */
export async function requireEncodingMemory(
  config: EncodeConfig,
  resolve: Resolve,
  runtime: RuntimeConfig,
): Promise<void> {
  const gpu = computingGpu(runtime);
  const need = gpu && (await gpuNeed(config, resolve));
  if (need === undefined) return;
  const remedy = (most: number): string => {
    const { autoencoderMemoryMiB } = config;
    const halves = Array.from({ length: 16 }, (_, i) => Math.floor(autoencoderMemoryMiB / 2 ** (i + 1)));
    const fits = halves.find((memory) => memory >= 1 && need.bytes(memory) <= most);
    if (fits === undefined) return 'Use smaller images or a smaller autoencoder.';
    return `Set \`autoencoderMemoryMiB: ${fits}\` (about ${formatBytes(need.bytes(fits))}).`;
  };
  const bytes = need.bytes(config.autoencoderMemoryMiB);
  requireMemory({ what: 'This encoding', bytes, samples: need.images, noun: 'image', remedy, gpu });
}

/** Work of encoding in images, which take as long for the same autoencoder and size. */
export function encodeTiming(config: EncodeConfig, resolve: Resolve): StageTiming | undefined {
  const latents = plannedLatents(config, resolve);
  if (latents === undefined) return undefined;
  const { channels, layersPerBlock, weights } = resolve(config.autoencoder).config as Partial<
    AutoencoderConfig & PretrainedAutoencoderConfig
  >;
  const { size, latentSize, channels: latentChannels, count } = latents;
  const { flips } = config;
  return {
    amount: count,
    like: { flips, size, latentSize, latentChannels, channels, layersPerBlock, weights },
  };
}
