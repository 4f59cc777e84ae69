import type { LatentBatch } from '../../data/latents/dataset.js';
import { balancedOrder, type Draw, shuffledOrder } from '../../data/sample-order.js';
import type { TrainConfig } from '../../generated/index.js';
import { float32, int32, streamKey } from '../../tensorflow/index.js';
import type { Normalization } from '../../training/diffusion-loss.js';
import type { BatchShare } from '../shared/engine.js';
import type { Batch } from '../training/stream.js';

/** A draw and its place in the order of all draws. */
export interface PlacedDraw extends Draw {
  readonly position: number;
}

/** Training data: posteriors over latents, wherever they come from. Close it after use. */
export interface TrainingData {
  readonly count: number;
  /** Height, width and channels of a latent. */
  readonly shape: readonly [height: number, width: number, channels: number];
  /** Names of the classes, by label. */
  readonly classes: readonly string[];
  /** Every sample's label. */
  readonly labels: Int32Array;
  /** Normalization of latents. */
  readonly normalization: Normalization;
  /** Normalization where no model to start from says otherwise, as far as that is known without measuring. */
  readonly own?: Normalization | undefined;
  /** Mean and deviation of each channel, where the latents are stored. */
  readonly statistics?: Normalization;
  /** Bytes that reading needs beside the training, at most: an estimate. */
  readonly readingBytes: number;
  /** True of a draw that gives the mirror image. */
  isMirrored(draw: Draw): boolean;
  /** Reads the posteriors of draws into the beginning of `out`: a function of the draws alone. */
  read(draws: readonly PlacedDraw[], out: LatentBatch): Promise<void>;
  close(): Promise<void>;
}

/**
 * Gives the inputs of a step: posteriors and labels of its samples, and the keys of its random numbers.
 *
 * @param share which samples of the global batch are wanted
 * @param beside further inputs
 */
export function latentBatches(
  data: TrainingData,
  { globalBatch, classSampling, until }: Pick<TrainConfig, 'globalBatch' | 'classSampling' | 'until'>,
  seed: number,
  share: BatchShare,
  beside: (draws: readonly PlacedDraw[], step: number) => Promise<Batch>,
): (step: number) => Promise<Batch> {
  const orderOf = (sampling: TrainConfig['classSampling']) =>
    sampling === 'balanced' ? balancedOrder(seed, data.labels) : shuffledOrder(seed, data.count);
  const order = orderOf(classSampling);
  const before = until && { ...until, order: orderOf(until.classSampling ?? classSampling) };
  const shape = [share.size, ...data.shape];
  const size = shape.reduce((a, b) => a * b);
  return async (step) => {
    const isUntil = before !== undefined && step < before.step;
    const current = isUntil ? before.order : order;
    const draws = Array.from({ length: share.size }, (_, i) => {
      const position = step * globalBatch + share.first + i;
      return { ...current.at(position), position };
    });
    const mean = new Float32Array(size);
    const std = new Float32Array(size);
    await data.read(draws, { mean, std });
    return {
      mean: float32(shape, mean),
      std: float32(shape, std),
      labels: int32(
        [share.size],
        Int32Array.from(draws, ({ index }) => data.labels[index]!),
      ),
      posteriorKey: streamKey(seed, 'posterior', step),
      noiseKey: streamKey(seed, 'noise', step),
      timeKey: streamKey(seed, 'time', step),
      dropoutKey: streamKey(seed, 'label dropout', step),
      firstSample: int32([1], Int32Array.of(share.first)),
      ...(before && { isUntil: float32([1], Float32Array.of(isUntil ? 1 : 0)) }),
      ...(await beside(draws, step)),
    };
  };
}
