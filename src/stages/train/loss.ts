import type { TrainConfig } from '../../generated/index.js';
import { gridOf, type SiTConfig } from '../../models/sit/config.js';
import { sit } from '../../models/sit/sit.js';
import type { TensorSpec } from '../../tensorflow/index.js';
import { diffusionLoss, quartileSums } from '../../training/diffusion-loss.js';
import type {
  LatentInputs,
  Normalization,
  RandomInputs,
  TimesAndWeight,
  UntilInput,
} from '../../training/diffusion-loss.js';
import type { LossProgram } from '../../training/gradients.js';
import { defaultTrainEpsilon, resolutionShift, timeInterval, transportOf } from '../../transport/index.js';
import type { Beside } from './beside.js';
import type { Teacher } from './teacher.js';

/** Shapes and types of a step's inputs, for a batch of latents [height, width, channels]. */
export function inputSpecs(
  batch: number,
  shape: readonly number[],
): Readonly<Record<keyof (LatentInputs & RandomInputs), TensorSpec>> {
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

/** Options of the loss that a stage's configuration asks for. */
export function lossOptions(config: TrainConfig, model: SiTConfig, normalization: Normalization) {
  const choice = { interpolant: config.interpolant, prediction: config.prediction };
  const timesAndWeight = ({ timesteps, timestepShift, lossWeight }: TimesKeys): TimesAndWeight => ({
    timestepSampling: timesteps === 'uniform' ? { kind: 'uniform' } : timesteps,
    timestepShift: shiftFactor(timestepShift, model),
    lossWeight,
  });
  return {
    ...timesAndWeight(config),
    transport: { ...transportOf(choice), lossWeight: config.lossWeight },
    interval: timeInterval(choice, config.trainEpsilon ?? defaultTrainEpsilon(choice)),
    directionWeight: config.directionLoss,
    until: config.until && timesAndWeight({ ...config, ...config.until }),
    normalization,
    labelDropout: model.labelDropout,
    nullClass: model.classes,
    model,
    recompute: config.recompute,
  };
}

/** Input that says whether the values of `until` hold, where there are any. */
export const untilSpec = ({ until }: Pick<TrainConfig, 'until'>) => ({
  ...(until && { isUntil: { dtype: 'float32', shape: [1] } as const }),
});

/**
 * The loss of a step as a stage's configuration asks for it. Where it is more than the distance from the data, `loss` among its
 * figures is that distance alone, by which all trainings compare, and `totalLoss` what is minimised.
 */
export function lossProgram(
  options: ReturnType<typeof lossOptions>,
  beside?: Beside,
  teacher?: Pick<Teacher, 'teaching'>,
): LossProgram {
  const { model, recompute } = options;
  return (inputs, weights) => {
    const { mean, std, labels, ...keys } = inputs as unknown as LatentInputs &
      RandomInputs &
      Partial<UntilInput>;
    const of = beside?.of(inputs, weights);
    const { losses, point, parts, unshifted, direction } = diffusionLoss(
      (x, t, y) => sit(weights, model, x, t, y, of?.through, recompute),
      { mean, std, labels },
      keys,
      options,
      { teaching: teacher?.teaching(inputs, weights), shift: of?.shift },
    );
    const others = [
      ...(direction === undefined
        ? []
        : [{ name: 'directionLoss', weight: options.directionWeight!, losses: direction }]),
      ...(of?.losses(point) ?? []),
    ].map((other) => ({ ...other, mean: other.losses.mean() }));
    const totalLoss = others.reduce((sum, { weight, mean }) => sum.add(mean.mul(weight)), losses.mean());
    const fromData = unshifted ?? parts?.data ?? losses;
    const isMore = fromData !== losses || others.length > 0;
    return {
      loss: totalLoss,
      figures: {
        ...quartileSums(fromData, point.t),
        ...(isMore && { loss: fromData.mean(), totalLoss }),
        ...(parts && { teacherLoss: parts.teacher.mean() }),
        ...Object.fromEntries(others.map(({ name, mean }) => [name, mean])),
      },
    };
  };
}

type TimesKeys = Pick<TrainConfig, 'timesteps' | 'timestepShift' | 'lossWeight'>;

/** The factor of a configured shift, for the tokens of a model. */
function shiftFactor(shift: TrainConfig['timestepShift'], model: SiTConfig): number {
  return typeof shift === 'number' ? shift : resolutionShift(gridOf(model) ** 2, shift.baseTokens);
}
