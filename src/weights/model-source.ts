import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isAbsent } from '../base/existence.js';
import { UserError } from '../base/errors.js';
import { asUserError } from '../base/files.js';
import { readInputText } from '../base/input-file.js';
import { openTensors, tensorsPath } from '../formats/safetensors/shards.js';
import { type PartialScale, usualScalingFactor } from '../models/autoencoder-kl/config.js';
import { type SiTConfig, sitParameters } from '../models/sit/config.js';
import { checkState } from '../models/sit/reference-state.js';
import type { Parameter } from '../nn/parameter.js';
import { float32 } from '../tensorflow/data-types.js';
import type { HostTensor } from '../tensorflow/index.js';
import type { Normalization } from '../training/diffusion-loss.js';
import type { InterpolantName, Prediction } from '../transport/index.js';
import { openModelWeights, type WeightsReader } from './model-weights.js';
import { modelFileName, readSavedModel, type SavedModel } from './saved-files.js';

/** Copies of a model's parameters: the last weights, their moving average, and the moments of AdamW. */
export type WeightSet = 'raw' | 'ema' | 'firstMoment' | 'secondMoment';

/** Names of weights that only models of this project have. */
type OwnWeights = 'best' | `ema-${number}` | `power-${number}`;

/** Description of a model, apart from its weights. */
export type ModelDescription = Omit<SavedModel, 'weights' | 'snapshots'>;

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
  /** `ema` and `raw` take that set of weights for both; so do other names that a model of this project has. */
  readonly weights: 'all' | 'ema' | 'raw' | OwnWeights;
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

function contradiction(path: string, problems: readonly string[]): UserError {
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

/**
 * A model as `train`, `pretrained` and `pipeline import` leave it.
 *
 * @param only a file of weights in it that stands for both sets
 * @throws UserError `model-invalid`, `checkpoint-mismatch`, `weights-contradiction` or `class-count`
 */
export async function savedSource(directory: string, hints: ModelHints, only?: string): Promise<ModelSource> {
  const saved = await readModel(directory);
  const { weights, snapshots, ...description } = saved;
  const { config } = saved;
  const own: Readonly<Record<string, string | undefined>> = weights;
  checkAgreement(directory, hints, { ...saved, ...config });
  const classes = hints.classes && namedClasses(directory, hints, saved);
  const names =
    hints.weights === 'all' ? (['raw', 'ema'] as const) : ([hints.weights, hints.weights] as const);
  const isRebuilt = only === undefined && names.some((name) => own[name] === undefined);
  // What is rebuilt has no file, and goes by its name.
  const [raw, ema] = names.map((name) => only ?? (isRebuilt ? name : join(directory, own[name]!))) as [
    string,
    string,
  ];
  const optimizer = only === undefined && !isRebuilt ? await readOptimizer(directory, raw) : undefined;
  const paths: Record<WeightSet, string> = { raw, ema, ...momentPaths(raw) };
  const files = new Map<string, WeightsReader>();
  const close = async () => {
    await Promise.all([...files.values()].map((file) => file.close()));
  };
  try {
    const expected = new Map(sitParameters(config).map(({ name, shape }) => [name, shape]));
    const opened = optimizer === undefined ? [raw, ema] : Object.values(paths);
    for (const path of new Set(opened)) {
      const file = await (isRebuilt
        ? openModelWeights(directory, directory, { weights, ...(snapshots && { snapshots }) }, path)
        : openTensors(path));
      files.set(path, file);
      const found = new Map([...file.tensors].map(([name, { shape }]) => [name, shape]));
      checkState(found, expected, path);
    }
  } catch (error) {
    await close();
    throw error;
  }
  return {
    path: directory,
    description: {
      ...description,
      ...(classes && { classes }),
    },
    hasAverage: raw !== ema,
    told: [],
    ...(optimizer && { optimizer }),
    read: async (set, { name, shape }) => float32(shape, await files.get(paths[set])!.readFloat32(name)),
    close,
  };
}

/**
 * Names for the classes of a model that has none but numbers; those of one that has names are its own.
 *
 * @throws UserError `class-count` or `weights-contradiction`
 */
function namedClasses(directory: string, hints: ModelHints, { classes, config }: SavedModel): string[] {
  const names = classNames(directory, hints, config.classes);
  const label = classes.findIndex((own, i) => own !== String(i) && own !== names[i]);
  if (label < 0) return names;
  throw contradiction(directory, [
    `\`classes\` calls class ${label} ${names[label]!}, the model calls it ${classes[label]!}`,
  ]);
}

async function readModel(directory: string): Promise<SavedModel> {
  const path = join(directory, modelFileName);
  const saved = await readSavedModel(directory).catch((error: unknown) => {
    if (error instanceof SyntaxError || isAbsent(error)) return undefined;
    throw asUserError(error, path);
  });
  if ((saved as { format?: unknown } | undefined)?.format === 'sit-1') return saved!;
  throw new UserError({
    code: 'model-invalid',
    message: `${path}: expected the description of a model of this version.`,
    remedy: 'Import or train the model again.',
  });
}

function momentPaths(weights: string) {
  const beside = (name: string) => tensorsPath(dirname(weights), name);
  return { firstMoment: beside('firstMoment'), secondMoment: beside('secondMoment') };
}

/** The state of AdamW that a training stage's output holds beside its last weights, where AdamW trained all of them. */
async function readOptimizer(directory: string, raw: string): Promise<OptimizerState | undefined> {
  if (!Object.values(momentPaths(raw)).every(existsSync)) return undefined;
  const stage = await readJson<{ origin?: { config?: Partial<OptimizerState> & { optimizer?: object } } }>(
    join(directory, 'manifest.json'),
  );
  const checkpoint = await readJson<{ extra?: { updates?: number } }>(join(dirname(raw), 'manifest.json'));
  const { learningRate, betas, weightDecay, optimizer } = stage?.origin?.config ?? {};
  if (optimizer !== undefined) return undefined;
  const updates = checkpoint?.extra?.updates;
  if (learningRate === undefined || betas === undefined || weightDecay === undefined || updates === undefined)
    return undefined;
  return { updates, learningRate, betas, weightDecay };
}

async function readJson<T>(path: string): Promise<T | undefined> {
  try {
    return JSON.parse(await readInputText(path)) as T;
  } catch (error) {
    if (error instanceof UserError) throw error;
    return undefined;
  }
}
