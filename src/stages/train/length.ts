import type { TrainConfig } from '../../config/generated/index.js';

/** Steps of an epoch; its last, incomplete batch is not taken, as in the reference. */
export function stepsPerEpoch({ globalBatch }: Pick<TrainConfig, 'globalBatch'>, samples: number): number {
  return Math.max(1, Math.floor(samples / globalBatch));
}

/** Steps of the whole training. */
export function totalSteps(
  config: Pick<TrainConfig, 'steps' | 'epochs' | 'globalBatch'>,
  samples: number,
): number {
  return config.steps ?? config.epochs! * stepsPerEpoch(config, samples);
}
