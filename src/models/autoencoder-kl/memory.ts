import { numbersIn } from '../../nn/parameter.js';
import { fullBucket } from '../../tensorflow/signature.js';
import { type AutoencoderConfig, downsampleOf } from './config.js';
import { autoencoderParameters } from './parameters.js';

export type AutoencoderWork = 'encode' | 'decode';

/** Default memory of encoding and decoding, as the schema of their stages has it. */
export const defaultMemoryMiB = 2048;

const bytesPerMebibyte = 2 ** 20;
const bytesPerNumber = 4;

/**
 * Tensors of the widest layers at full resolution that TensorFlow holds at once: the growth of a process's peak memory
 * over computing images of Stable Diffusion's autoencoder on the CPU, by the size of such a tensor. It was 3.6 to 5.0
 * for encoding (160 MiB at 256 pixels, 455 MiB at 512) and 2.9 to 3.9 for decoding (251, 413 and 995 MiB at 256, 384
 * and 512), and the same for each image of a batch of two.
 */
const heldAtOnce = { encode: 5, decode: 4 } as const;
/** Tables of every latent pixel's attention to every other that are held at once. */
const attentionTables = 2;

/** Tiles have sides of a multiple of this many latent pixels, so that a quarter of them overlaps exactly. */
const tileStep = 4;
/** Below this a tile sees too little of the image around it, whatever the bound. */
const smallestTile = 16;

/**
 * Divides a computation so that it needs about as much memory as it may.
 *
 * @param latent height and width in latent pixels
 * @returns images to compute at once, and the side of a tile in latent pixels where one image needs too much
 */
export function partition(
  config: AutoencoderConfig,
  work: AutoencoderWork,
  [height, width]: readonly [number, number],
  memoryMiB: number,
): { readonly atOnce: number; readonly tile?: number } {
  const limit = memoryMiB * bytesPerMebibyte;
  const atOnce = Math.floor(limit / computeBytes(config, work, height * width));
  // More would be filled up to what does not fit.
  if (atOnce >= 1) return { atOnce: fullBucket(atOnce) };
  let tile = Math.ceil(Math.max(height, width) / tileStep) * tileStep;
  while (tile > smallestTile && computeBytes(config, work, tile ** 2) > limit) tile -= tileStep;
  return tile >= Math.max(height, width) ? { atOnce: 1 } : { atOnce: 1, tile };
}

/** Peak memory of computing `count` images as `partition` divides them, beside the weights: an estimate. */
export function partitionedBytes(
  config: AutoencoderConfig,
  work: AutoencoderWork,
  [height, width]: readonly [number, number],
  count: number,
  memoryMiB: number,
): number {
  const { atOnce, tile } = partition(config, work, [height, width], memoryMiB);
  return (
    Math.min(count, atOnce) * computeBytes(config, work, tile === undefined ? height * width : tile ** 2)
  );
}

/** Peak memory of computing an image of that many latent pixels, beside the weights: an estimate. */
export function computeBytes(
  { channels, patchSize }: AutoencoderConfig,
  work: AutoencoderWork,
  latentPixels: number,
): number {
  if (channels.length === 0) return bytesPerNumber * heldAtOnce[work] * 3 * latentPixels;
  // What decoding brings to full resolution still has the width of the next coarser one.
  const widest = work === 'decode' ? Math.max(channels[0]!, channels[1] ?? 0) : channels[0]!;
  const pixels = latentPixels * 4 ** (channels.length - 1);
  const image = 3 * patchSize ** 2;
  const layers = bytesPerNumber * pixels * (heldAtOnce[work] * widest + 2 * image);
  return Math.max(layers, bytesPerNumber * attentionTables * latentPixels ** 2);
}

/** Bytes of a process that trains next to nothing: Node, TensorFlow, its graphs and threads' memory. Measured, on x86-64. */
const trainingBaseBytes = 620e6;
/** Memory in use for each byte of activations: gradients on the way, and what the allocator does not fill. Measured. */
const allocated = 1.06;
/** Weights, gradients, two moments and one average. */
const trainedCopies = 5;

/**
 * Bytes that a process needs at its peak to train an autoencoder: an estimate, fitted to measured peaks.
 *
 * @param size width and height of the images
 * @param batch images that the process computes at once
 */
export function trainingBytes(config: AutoencoderConfig, size: number, batch: number): number {
  const parameters = numbersIn(autoencoderParameters(config));
  const numbers = trainedCopies * parameters + allocated * batch * activationsOf(config, size);
  return trainingBaseBytes + bytesPerNumber * numbers;
}

/** Bytes of a process's memory where a GPU trains an autoencoder: its start values pass through it. */
export function hostMemoryOnGpu(config: AutoencoderConfig): number {
  const parameters = numbersIn(autoencoderParameters(config));
  return trainingBaseBytes + bytesPerNumber * parameters;
}

/** Numbers of an image that a forward pass leaves for its gradient: the results of all layers. */
function activationsOf(config: AutoencoderConfig, size: number): number {
  return layerNumbers(config, size) + 2 * keptTables * latentPixels(config, size) ** 2;
}

/** Tables of scores that each of the two attentions leaves. */
const keptTables = 3;

/** Pixels of an image's latent. */
export function latentPixels(config: AutoencoderConfig, size: number): number {
  return (size / downsampleOf(config)) ** 2;
}

/** Numbers of an image that a forward pass leaves for its gradient, without tables of attention. */
export function layerNumbers(
  { channels, layersPerBlock, patchSize }: AutoencoderConfig,
  size: number,
): number {
  const coarsest = channels.length - 1;
  const pixels = (resolution: number) => (size / patchSize / 2 ** resolution) ** 2;
  // Norm and activation before each of two convolutions, their results, the sum, and a shortcut between widths.
  const residual = (inputs: number, outputs: number) =>
    2 * inputs + 5 * outputs + (inputs === outputs ? 0 : outputs);
  const residuals = (count: number, inputs: number, outputs: number) =>
    residual(inputs, outputs) + (count - 1) * residual(outputs, outputs);
  const last = channels[coarsest]!;
  // Its norm, queries before and after scaling, keys, values, what is attended to, the result.
  const attention = pixels(coarsest) * 7 * last;
  const middle = 2 * pixels(coarsest) * residual(last, last) + attention;
  const perResolution = channels.map((width, i) => {
    const down = residuals(layersPerBlock, channels[i - 1] ?? width, width);
    const up = residuals(layersPerBlock + 1, channels[i + 1] ?? width, width);
    // What is brought to the next resolution, before and after a convolution on the way back.
    const between = i === coarsest ? 0 : width * pixels(i + 1) + 2 * channels[i + 1]! * pixels(i);
    return pixels(i) * (down + up) + between;
  });
  // The first layer, the last norms and activations; and the image, its parts, errors and their squares.
  const ends = 4 * channels[0]! * pixels(0) + 8 * 3 * size ** 2;
  return perResolution.reduce((sum, each) => sum + each, 2 * middle + ends);
}
