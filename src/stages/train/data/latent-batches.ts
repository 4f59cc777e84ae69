import type { TrainConfig } from '../../../config/generated/index.js';
import { balancedOrder, shuffledOrder } from '../../../data/sample-order.js';
import { float32, int32, streamKey } from '../../../tensorflow/index.js';
import type { Batch } from '../../training-stream.js';
import type { BatchShare } from '../../workers.js';
import type { TrainingData } from './training-data.js';

/**
 * Gives the inputs of a step: posteriors and labels of its samples, and the keys of its random numbers.
 *
 * @param share which samples of the global batch are wanted
 */
export function latentBatches(
  data: TrainingData,
  { globalBatch, classSampling }: Pick<TrainConfig, 'globalBatch' | 'classSampling'>,
  seed: number,
  share: BatchShare,
): (step: number) => Promise<Batch> {
  const order =
    classSampling === 'balanced' ? balancedOrder(seed, data.labels) : shuffledOrder(seed, data.count);
  const shape = [share.size, ...data.shape];
  const size = shape.reduce((a, b) => a * b);
  return async (step) => {
    const draws = Array.from({ length: share.size }, (_, i) => {
      const position = step * globalBatch + share.first + i;
      return { ...order.at(position), position };
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
    };
  };
}
