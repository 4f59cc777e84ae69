import type { AutoencoderConfig } from './config.js';

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
  if (atOnce >= 1) return { atOnce };
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
  // What decoding brings to full resolution still has the width of the next coarser one.
  const widest = work === 'decode' ? Math.max(channels[0]!, channels[1] ?? 0) : channels[0]!;
  const pixels = latentPixels * 4 ** (channels.length - 1);
  const image = 3 * patchSize ** 2;
  const layers = bytesPerNumber * pixels * (heldAtOnce[work] * widest + 2 * image);
  return Math.max(layers, bytesPerNumber * attentionTables * latentPixels ** 2);
}
