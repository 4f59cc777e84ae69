import { numbersIn } from '../../nn/parameter.js';
import { productBytes } from '../../tensorflow/runtime-options.js';
import { bucketFor } from '../../tensorflow/signature.js';
import { type AutoencoderConfig, downsampleOf } from './config.js';
import { type AutoencoderWork, defaultMemoryMiB, latentPixels, layerNumbers, partition } from './memory.js';
import { autoencoderParameters } from './parameters.js';

const bytesPerNumber = 4;

/** Tensors of the widest layers at a resolution that are in memory at once, as TensorFlow's allocator has it. */
const heldAtOnce = { encode: 4, decode: 3 } as const;
/** Tables of every latent pixel's attention to every other; a softmax over more pixels does not take the scores' place. */
const attentionTables = { upTo: 1024, few: 2, many: 3 } as const;
/** Memory in use for each byte that layers leave for their gradients, and tables that each attention leaves. */
const [allocated, keptTables] = [0.92, 1];
/** An autoencoder attends in its encoder and in its decoder. */
const attentions = 2;
/** Weights, two moments, an average. */
const stateCopies = 4;
/** Images that a trained autoencoder reconstructs at the end. */
export const reconstructedImages = 32;

/** Images that are encoded or decoded, `size` pixels wide and high, within a bound of memory. */
export interface Coding {
  readonly work: AutoencoderWork;
  readonly size: number;
  readonly images: number;
  readonly memoryMiB: number;
}

/** Images of a batch that are computed at once, and the side of a tile in latent pixels where one needs too much. */
export function codedAtOnce(config: AutoencoderConfig, { work, size, images, memoryMiB }: Coding) {
  const side = size / downsampleOf(config);
  const { atOnce, tile } = partition(config, work, [side, side], memoryMiB);
  return { count: Math.min(images, atOnce), side: tile ?? side };
}

/**
 * Bytes of a GPU that encoding or decoding needs at its peak, the autoencoder's weights included: an estimate, fitted to
 * TensorFlow's allocator. cuDNN works in memory of its own beside it.
 */
export function gpuCodingMemory(config: AutoencoderConfig, coding: Coding): number {
  const { count, side } = codedAtOnce(config, coding);
  return weightBytes(config) + productBytes + bucketFor(count) * imageBytes(config, coding.work, side ** 2);
}

/**
 * Bytes of a GPU that training an autoencoder needs at its peak: its state with gradients and activations, or the state
 * and what reconstructs images at its end. An estimate, as `gpuCodingMemory`.
 *
 * @param size width and height of the images
 * @param batch images that the process computes at once
 * @param exchanges true when workers exchange gradients, in portions that are put together
 */
export function gpuAutoencoderMemory(
  config: AutoencoderConfig,
  size: number,
  batch: number,
  exchanges: boolean,
): number {
  const weights = weightBytes(config);
  const tables = attentions * keptTables * latentPixels(config, size) ** 2;
  const activations = bytesPerNumber * batch * (allocated * layerNumbers(config, size) + tables);
  const coding = (['encode', 'decode'] as const).map((work) =>
    gpuCodingMemory(config, { work, size, images: reconstructedImages, memoryMiB: defaultMemoryMiB }),
  );
  const step = productBytes + activations + (exchanges ? 2 * weights : 0);
  return stateCopies * weights + Math.max(step, ...coding);
}

function weightBytes(config: AutoencoderConfig): number {
  return bytesPerNumber * numbersIn(autoencoderParameters(config));
}

/** Bytes of an image on its way, by its latent pixels. */
function imageBytes({ channels }: AutoencoderConfig, work: AutoencoderWork, latentPixels: number): number {
  if (channels.length === 0) return bytesPerNumber * heldAtOnce[work] * 3 * latentPixels;
  const layers = channels.map((width, i) => {
    // What is brought to a resolution still has the width of the one that it comes from.
    const other = work === 'decode' ? channels[i + 1] : channels[i - 1];
    return latentPixels * 4 ** (channels.length - 1 - i) * Math.max(width, other ?? 0);
  });
  const { upTo, few, many } = attentionTables;
  const tables = (latentPixels <= upTo ? few : many) * latentPixels ** 2;
  return bytesPerNumber * Math.max(heldAtOnce[work] * Math.max(...layers), tables);
}
