import { UserError } from '../base/errors.js';
import { type PartialScale, usualScalingFactor } from '../models/autoencoder-kl/config.js';
import type { SiTConfig } from '../models/sit/config.js';
import type { Parameter } from '../nn/parameter.js';
import type { HostTensor } from '../tensorflow/index.js';
import type { Normalization } from '../training/diffusion-loss.js';
import type { InterpolantName, Prediction } from '../transport/index.js';
import type { SavedModel } from './saved-files.js';

/** Copies of a model's parameters: the last weights, their moving average, and the moments of AdamW. */
export type WeightSet = 'raw' | 'ema' | 'firstMoment' | 'secondMoment';

/** Description of a model, apart from its weights. */
export type ModelDescription = Omit<SavedModel, 'weights'>;

/** State of AdamW when the weights were saved. */
export interface OptimizerState {
  /** Steps that changed the weights. */
  readonly updates: number;
  readonly learningRate: number;
  readonly betas: readonly [number, number];
  readonly weightDecay: number;
}

/** A model in any of the formats that are read; its weights are read one tensor at a time. Close it after use. */
export interface ModelSource {
  /** Absolute path of the file or folder. */
  readonly path: string;
  readonly description: ModelDescription;
  /** True when the moving average is another set than the last weights. */
  readonly hasAverage: boolean;
  /** Sentences that say what was taken for what in the file, and what was left out. */
  readonly told: readonly string[];
  /** There where the moments are. */
  readonly optimizer?: OptimizerState;
  /** A parameter in our layout. */
  read(set: WeightSet, parameter: Parameter): Promise<HostTensor>;
  close(): Promise<void>;
}

/** Hints from the user about a file. What the file says too must agree. */
export interface ModelHints {
  /** `ema` and `raw` take that set of weights for both. */
  readonly weights: 'all' | 'ema' | 'raw';
  /** Keys of the sets to take, where a file has several: one stands for both, of two the second is the average. */
  readonly key?: string | readonly string[] | undefined;
  readonly heads?: number | undefined;
  readonly labelDropout?: number | undefined;
  readonly interpolant?: InterpolantName | undefined;
  readonly prediction?: Prediction | undefined;
  /** Names of the classes, by label. */
  readonly classes?: readonly string[] | undefined;
  readonly scalingFactor?: number | undefined;
  /** Number that was subtracted from latents before they were multiplied. */
  readonly shiftFactor?: number | undefined;
}

/** The hints' part that a description of the model has too. */
type Described = Pick<ModelHints, 'interpolant' | 'prediction' | 'labelDropout'> & {
  readonly heads?: SiTConfig['heads'] | undefined;
};

/** Throws where the user says of a model what its file denies. @throws UserError `weights-contradiction` */
export function checkAgreement(path: string, said: Described, found: Described): void {
  const keys = ['interpolant', 'prediction', 'heads', 'labelDropout'] as const;
  const problems = keys
    .filter((key) => said[key] !== undefined && found[key] !== undefined && said[key] !== found[key])
    .map((key) => `\`${key}: ${said[key]!}\` is asked for, the file says ${found[key]!}`);
  if (problems.length > 0) throw contradiction(path, problems);
}

export function contradiction(path: string, problems: readonly string[]): UserError {
  return new UserError({
    code: 'weights-contradiction',
    message: `${path}: ${problems.join('; ')}.`,
    remedy: 'Leave out what the file tells by itself, or use the file that was meant.',
  });
}

/** Names of the classes: those given, or their numbers. @throws UserError `class-count` */
export function classNames(path: string, { classes }: Pick<ModelHints, 'classes'>, count: number): string[] {
  if (classes === undefined) return Array.from({ length: count }, (_, label) => String(label));
  if (classes.length === count) return [...classes];
  throw new UserError({
    code: 'class-count',
    message: `${path}: its model has ${count} classes; ${classes.length} names of classes are given.`,
    remedy: 'Name every class once, in the order of the labels.',
  });
}

/** Relative difference of two scales that rounding makes. */
const scaleTolerance = 1e-6;

/** The sentence that warns where a model was trained on latents that are scaled otherwise than those of an autoencoder. */
export function differentScale(
  model: string,
  trained: Normalization,
  autoencoder: string,
  own: Normalization | undefined,
): string | undefined {
  const isNear = (a: number, b: number, size: number) => Math.abs(a - b) <= scaleTolerance * size;
  if (own?.std.length !== trained.std.length) return undefined;
  const isSame = own.std.every(
    (std, i) => isNear(std, trained.std[i]!, std) && isNear(own.mean[i]!, trained.mean[i]!, std),
  );
  if (isSame) return undefined;
  return `${model} was trained on latents that are ${scaleText(trained)}; those of ${autoencoder} are ${scaleText(own)}. Pictures are right only if both are true, as \`scalingFactor\` and \`shiftFactor\` of pretrained stages say.`;
}

function scaleText({ mean, std }: Normalization): string {
  const isOne = new Set(std).size === 1 && new Set(mean).size === 1;
  if (!isOne) return 'normalised channel by channel';
  const factor = Number((1 / std[0]!).toPrecision(6));
  return mean[0] === 0 ? `multiplied by ${factor}` : `reduced by ${mean[0]!} and multiplied by ${factor}`;
}

/** Normalization of latents that are shifted and multiplied by one factor, as Stable Diffusion's are. */
export function scaledNormalization(
  channels: number,
  { scalingFactor = usualScalingFactor, shiftFactor = 0 }: PartialScale,
): Normalization {
  return {
    mean: Array.from({ length: channels }, () => shiftFactor),
    std: Array.from({ length: channels }, () => 1 / scalingFactor),
  };
}
