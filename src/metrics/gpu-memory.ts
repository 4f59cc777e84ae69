import { productBytes } from '../tensorflow/runtime-options.js';
import { bucketFor } from '../tensorflow/signature.js';

/**
 * Bytes of a GPU, as TensorFlow's allocator has them at the peak of a network of features: for each image where most are
 * in memory, and where a product computes beside fewer; with what cuBLAS works in there.
 */
const efficientNet = { image: 4 * 112 ** 2 * 120, besideProduct: 4 * 112 ** 2 * 88 } as const;
const inceptionImage = 4 * 147 ** 2 * 160;

/** Bytes of EfficientNet-Lite0's weights. */
export const efficientNetWeights = 18.6e6;
/** Numbers of its features of a place of an image, at 14 × 14 places: seen widely, and not yet of few places. */
export const spatialWidth = 112;
/** Images that it computes at once at most. */
export const efficientNetAtOnce = 64;

/** Bytes of a GPU that EfficientNet-Lite0 needs for batches of so many images: an estimate, as all here. */
export function efficientNetGpuMemory(images: number): number {
  const { image, besideProduct } = efficientNet;
  const count = bucketFor(Math.min(images, efficientNetAtOnce));
  return efficientNetWeights + Math.max(count * image, productBytes + count * besideProduct);
}

/** Bytes of a GPU that the Inception network needs. @param fileBytes of its graph, which are its weights but for a little */
export function inceptionGpuMemory(images: number, fileBytes: number): number {
  return fileBytes + productBytes + images * inceptionImage;
}

/** Rows of either set that are compared at once at most. */
const [kernelRows, distanceRows] = [4000, 2048];

/** Bytes of a GPU that comparing features of that width needs at most, beside their network. */
export function comparingGpuMemory(metric: string, width: number): number {
  const table = (rows: number) => 4 * rows ** 2;
  const features = (rows: number) => 4 * rows * width;
  // Two tables while the kernel's power is taken, or one of products beside what is multiplied.
  if (metric === 'kernelDistance')
    return table(kernelRows) + Math.max(table(kernelRows), 2 * features(kernelRows));
  // Squares of either set are there by turns.
  return table(distanceRows) + 2.5 * features(distanceRows);
}
