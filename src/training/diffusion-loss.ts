import { randomNormal, randomUniform, tf } from '../tensorflow/index.js';
import type { Tensor, Tensor1D, Tensor4D } from '../tensorflow/index.js';
import {
  directionLoss,
  distanceLoss,
  drawsOf,
  errorWeight,
  interpolate,
  outputLoss,
  timesteps,
} from '../transport/index.js';
import type {
  LossWeighting,
  TimeInterval,
  TimestepSampling,
  TrainingPoint,
  WeighedTransport,
} from '../transport/index.js';

/** Affine map that brings latents to mean 0 and deviation 1, one number a channel. */
export interface Normalization {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** The map that changes nothing. */
export const identityOf = (channels: number): Normalization => ({
  mean: new Array<number>(channels).fill(0),
  std: new Array<number>(channels).fill(1),
});

/** Latents of a step as they are read: posteriors and labels. */
export interface LatentInputs {
  /** [batch, height, width, channels] */
  readonly mean: Tensor4D;
  readonly std: Tensor4D;
  /** [batch], int32 */
  readonly labels: Tensor1D;
}

/** Streams of random numbers of a step, int32 [2] each, and the place of the batch's first sample, int32 [1]. */
export interface RandomInputs {
  readonly posteriorKey: Tensor1D;
  readonly noiseKey: Tensor1D;
  readonly timeKey: Tensor1D;
  readonly dropoutKey: Tensor1D;
  readonly firstSample: Tensor1D;
}

/** Input of a step where `until` says something. */
export interface UntilInput {
  /** 1 in steps that take what `until` says, else 0: float32 [1]. */
  readonly isUntil: Tensor1D;
}

export interface DiffusionLossOptions {
  readonly transport: WeighedTransport;
  readonly interval: TimeInterval;
  readonly timestepSampling: TimestepSampling;
  /** Factor by which times are moved towards the noise, as `shiftTime` has it. */
  readonly timestepShift: number;
  readonly normalization: Normalization;
  readonly labelDropout: number;
  /** Label that stands for no class. */
  readonly nullClass: number;
  /** Values of these options in steps whose `isUntil` is 1. */
  readonly until?: TimesAndWeight | undefined;
  /** Weight of `directionLoss` beside the squared error, for models that predict velocities. */
  readonly directionWeight?: number | undefined;
}

/** Distribution of times, and the weight of errors at them. */
export interface TimesAndWeight {
  readonly timestepSampling: TimestepSampling;
  readonly timestepShift: number;
  readonly lossWeight: LossWeighting;
}

/** A trained model to learn from. */
export interface Teaching {
  /** The teacher's output under its own labels. */
  readonly field: (x: Tensor4D, t: Tensor1D, y: Tensor1D) => Tensor;
  /** The samples' labels, as the teacher counts them: [batch], int32. */
  readonly labels: Tensor1D;
  /** The teacher's label that stands for no class. */
  readonly nullClass: number;
  /** Part of the loss that is the distance from the teacher, from 0 to 1: [1]. */
  readonly part: Tensor1D;
}

/** A point of a step, as the model sees it. */
export interface StepPoint extends TrainingPoint {
  readonly data: Tensor4D;
  readonly noise: Tensor4D;
  readonly t: Tensor1D;
  /** The interpolant at t. */
  readonly x: Tensor4D;
  /** Labels, those that are dropped replaced: [batch], int32. */
  readonly y: Tensor1D;
  /** Place of the batch's first sample in the global batch, int32 [1]. */
  readonly firstSample: Tensor1D;
}

/** Parts of a loss beside the distance from the data. */
export interface BesideData {
  readonly teaching?: Teaching | undefined;
  /** Shift of the target, of the shape of the output. */
  readonly shift?: ((point: StepPoint) => Tensor) | undefined;
}

/** The loss of each sample, and the point that it was taken at. */
export interface DiffusionLosses {
  /** [batch] */
  readonly losses: Tensor;
  readonly point: StepPoint;
  /** The loss without a shift of the target, where there is one: [batch]. */
  readonly unshifted?: Tensor;
  /** `directionLoss`, where it is asked for; the loss is without it: [batch]. */
  readonly direction?: Tensor;
  /** Parts of the loss, where there is a teacher: [batch] each. */
  readonly parts?: { readonly data: Tensor; readonly teacher: Tensor };
}

/**
 * The loss of a step, one number a sample: a new draw from each posterior, noise, times and dropped labels, all
 * functions of the keys and of each sample's place in the global batch.
 */
export function diffusionLoss(
  model: (x: Tensor4D, t: Tensor1D, y: Tensor1D) => Tensor,
  { mean, std, labels }: LatentInputs,
  { posteriorKey, noiseKey, timeKey, dropoutKey, firstSample, isUntil }: RandomInputs & Partial<UntilInput>,
  options: DiffusionLossOptions,
  { teaching, shift }: BesideData = {},
): DiffusionLosses {
  const { interval, normalization, labelDropout, nullClass, until } = options;
  const [batch, ...shape] = mean.shape;
  const drawn = mean.add(std.mul(randomNormal(posteriorKey, firstSample, batch, shape)));
  const data: Tensor4D = drawn
    .sub(tf.tensor1d([...normalization.mean]))
    .div(tf.tensor1d([...normalization.std]));
  const noise = randomNormal(noiseKey, firstSample, batch, shape) as Tensor4D;
  /** Of what holds in this step and what does not, that which does. */
  const chosen = (of: (values: TimesAndWeight) => Tensor, own: TimesAndWeight): Tensor =>
    until === undefined ? of(own) : tf.where(isUntil!.greater(0), of(until), of(own));
  const own = { ...options, lossWeight: options.transport.lossWeight };
  const t = chosen(({ timestepSampling, timestepShift }) => {
    const draws = drawsOf(timestepSampling) === 'uniform' ? randomUniform : randomNormal;
    return timesteps(timestepSampling, draws(timeKey, firstSample, batch, []), interval, timestepShift);
  }, own) as Tensor1D;
  const dropped = randomUniform(dropoutKey, firstSample, batch, []).less(labelDropout);
  const withoutDropped = (labels: Tensor1D, none: number) =>
    labelDropout === 0 ? labels : tf.where<Tensor1D>(dropped, tf.fill([batch], none, 'int32'), labels);
  // Weights that change are applied here.
  const changes = until !== undefined && until.lossWeight !== own.lossWeight;
  const transport = changes ? { ...options.transport, lossWeight: 'none' as const } : options.transport;
  const weighed = (losses: Tensor): Tensor => {
    if (!changes) return losses;
    const { interpolant, prediction } = transport;
    const weight = ({ lossWeight }: TimesAndWeight) =>
      errorWeight(interpolant, prediction, lossWeight)?.(t) ?? tf.onesLike(t);
    return losses.mul(chosen(weight, own));
  };
  const y = withoutDropped(labels, nullClass);
  const x = interpolate(transport.interpolant, { data, noise, t }) as Tensor4D;
  const point: StepPoint = { data, noise, t, x, y, firstSample };
  const output = model(x, t, y);
  const moved = shift?.(point);
  const fromData = weighed(outputLoss(transport, output, x, point, moved));
  const direction = options.directionWeight !== undefined && {
    direction: directionLoss(transport.interpolant, output, point, moved),
  };
  const unshifted = shift && { unshifted: weighed(outputLoss(transport, output, x, point)) };
  if (teaching === undefined) return { losses: fromData, point, ...unshifted, ...direction };
  const taught = teaching.field(x, t, withoutDropped(teaching.labels, teaching.nullClass));
  const parts = { data: fromData, teacher: weighed(distanceLoss(transport, output, taught, t)) };
  const losses = parts.data.add(parts.teacher.sub(parts.data).mul(teaching.part));
  return { losses, point, parts, ...unshifted, ...direction };
}

const quartiles = [1, 2, 3, 4] as const;
const sumOf = (quartile: number) => `sum of quartile ${quartile}`;
const shareOf = (quartile: number) => `share of quartile ${quartile}`;

/**
 * The parts that samples of each quarter of the time from 0 to 1 have in the mean loss, and their shares of the batch.
 * Both are means over the batch, so that means over parts, workers and steps are right.
 *
 * @param losses [batch]
 * @param times [batch]
 */
export function quartileSums(losses: Tensor, times: Tensor): Record<string, Tensor> {
  const bounds = (quartile: number) =>
    tf.tidy(() => {
      const above = times.greaterEqual((quartile - 1) / 4);
      return (quartile === 4 ? above : above.logicalAnd(times.less(quartile / 4))).toFloat();
    });
  return Object.fromEntries(
    quartiles.flatMap((quartile) => {
      const inside = bounds(quartile);
      return [
        [sumOf(quartile), losses.mul(inside).mean()],
        [shareOf(quartile), inside.mean()],
      ];
    }),
  );
}

/**
 * Figures with, in the place of those of `quartileSums`, the mean loss in each quarter of the time: `lossQuartile1`, the
 * noisiest, to `lossQuartile4`. One in which no sample fell is left out.
 */
export function withQuartiles(means: Readonly<Record<string, number>>): Record<string, number> {
  const own = new Set(quartiles.flatMap((quartile) => [sumOf(quartile), shareOf(quartile)]));
  const others = Object.entries(means).filter(([name]) => !own.has(name));
  const losses = quartiles.flatMap((quartile): [string, number][] => {
    const share = means[shareOf(quartile)] ?? 0;
    return share === 0 ? [] : [[`lossQuartile${quartile}`, means[sumOf(quartile)]! / share]];
  });
  return Object.fromEntries([...others, ...losses]);
}
