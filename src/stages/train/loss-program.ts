import type { TrainConfig } from '../../config/generated/index.js';
import { type SiTConfig, gridOf } from '../../models/sit/config.js';
import { sit } from '../../models/sit/sit.js';
import type { TensorSpec } from '../../tensorflow/index.js';
import {
  type LatentInputs,
  type Normalization,
  type RandomInputs,
  diffusionLoss,
} from '../../training/diffusion-loss.js';
import { quartileSums } from '../../training/time-quartiles.js';
import type { LossProgram } from '../../training/trainer.js';
import {
  type TimestepSampling,
  defaultTrainEpsilon,
  resolutionShift,
  timeInterval,
  transportOf,
} from '../../transport/index.js';

/** Shapes and types of a step's inputs, for a batch of latents [height, width, channels]. */
export function inputSpecs(batch: number, shape: readonly number[]): Readonly<Record<string, TensorSpec>> {
  const key: TensorSpec = { dtype: 'int32', shape: [2] };
  const latent: TensorSpec = { dtype: 'float32', shape: [batch, ...shape] };
  return {
    mean: latent,
    std: latent,
    labels: { dtype: 'int32', shape: [batch] },
    posteriorKey: key,
    noiseKey: key,
    timeKey: key,
    dropoutKey: key,
    firstSample: { dtype: 'int32', shape: [1] },
  };
}

/** The loss of a step as a stage's configuration asks for it. */
export function lossProgram(
  config: TrainConfig,
  model: SiTConfig,
  normalization: Normalization,
): LossProgram {
  const choice = { interpolant: config.interpolant, prediction: config.prediction };
  const timestepSampling: TimestepSampling =
    config.timesteps === 'uniform' ? { kind: 'uniform' } : config.timesteps;
  const options = {
    transport: { ...transportOf(choice), lossWeight: config.lossWeight },
    interval: timeInterval(choice, config.trainEpsilon ?? defaultTrainEpsilon(choice)),
    timestepSampling,
    timestepShift: timestepShift(config, model),
    normalization,
    labelDropout: model.labelDropout,
    nullClass: model.classes,
  };
  return (inputs, weights) => {
    const { mean, std, labels, ...keys } = inputs as unknown as LatentInputs & RandomInputs;
    const { losses, times } = diffusionLoss(
      (x, t, y) => sit(weights, model, x, t, y, undefined, config.recompute),
      { mean, std, labels },
      keys,
      options,
    );
    return { loss: losses.mean(), figures: quartileSums(losses, times) };
  };
}

/** The factor of a configured shift, for the tokens of a model. */
function timestepShift({ timestepShift: shift }: TrainConfig, model: SiTConfig): number {
  return typeof shift === 'number' ? shift : resolutionShift(gridOf(model) ** 2, shift.baseTokens);
}
