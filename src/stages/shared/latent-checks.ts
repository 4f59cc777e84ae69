import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { counted } from '../../base/format.js';
import type { TrainConfig } from '../../generated/index.js';
import { canonicalName } from '../../data/images/class-names.js';
import { type LatentScale, usualScalingFactor } from '../../models/autoencoder-kl/config.js';
import { code, suggestion } from '../../runner/diagnostics.js';
import { autoencoderFacts, latentScale, nearestMultiples } from '../autoencoder/checks.js';
import { configuredClasses } from '../images/facts.js';
import { samplePlan } from '../sample/plan.js';
import type { CheckContext, StageCheck } from './check.js';

/** Shape of encoded latents, as far as the file tells. */
interface LatentShape {
  /** Width and height of a latent. */
  readonly size: number;
  readonly channels: number;
  readonly downsample: number;
  /** Id of the stage that made the images. */
  readonly images: string;
}

/** Ids of the stages that latents come from. */
interface LatentSource {
  /** Absent for latents of another program. */
  readonly images?: string;
  readonly autoencoder: string;
}

/** Finds what a `train` stage trains on; undefined where the stage that it names is not valid. */
export function trainedOn(
  context: CheckContext,
  { latents, images, autoencoder }: Pick<TrainConfig, 'latents' | 'images' | 'autoencoder'>,
): LatentSource | undefined {
  if (latents !== undefined)
    return (
      context.config('encode', latents) ?? readyLatents(context, latents) ?? drawnLatents(context, latents)
    );
  return images === undefined || autoencoder === undefined ? undefined : { images, autoencoder };
}

function readyLatents(context: CheckContext, stage: string): LatentSource | undefined {
  const config = context.config('latents', stage);
  return config && { autoencoder: config.autoencoder };
}

/** Latents that a model draws are of what it was trained on. */
function drawnLatents(context: CheckContext, stage: string): LatentSource | undefined {
  const model = context.config('draw', stage)?.model;
  const train = model === undefined ? undefined : context.config('train', model);
  return train && trainedOn(context, train);
}

/** Shape of the latents of an `encode` stage; nothing where a stage on the way is not valid. */
export function latentShape(context: CheckContext, encode: string): LatentShape | undefined {
  return shapeFrom(context, context.config('encode', encode));
}

/** Shape of the latents that a `train` stage trains on; nothing where a stage on the way is not valid. */
export function trainedShape(
  context: CheckContext,
  train: Pick<TrainConfig, 'latents' | 'images' | 'autoencoder'>,
): LatentShape | undefined {
  return shapeFrom(context, trainedOn(context, train));
}

function shapeFrom(context: CheckContext, source: LatentSource | undefined): LatentShape | undefined {
  const images = source?.images === undefined ? undefined : context.config('images', source.images);
  const autoencoder = source && autoencoderFacts(context, source.autoencoder);
  if (!images || !autoencoder || images.size % autoencoder.downsample !== 0) return undefined;
  const { downsample, latentChannels } = autoencoder;
  return { size: images.size / downsample, channels: latentChannels, downsample, images: source.images! };
}

/** Names of the classes of an `images` stage, where its configuration tells. */
export function imageClasses(
  context: CheckContext,
  images: string | undefined,
): readonly string[] | undefined {
  const config = images === undefined ? undefined : context.config('images', images);
  return config && configuredClasses(config);
}

/** True where a `train` stage is known to have one class alone, so that guidance by the class is impossible. */
export function hasOneClass(
  context: CheckContext,
  train: Pick<TrainConfig, 'latents' | 'images' | 'autoencoder'>,
): boolean {
  if (train.latents !== undefined && context.config('latents', train.latents)?.labels === 'none') return true;
  return imageClasses(context, trainedOn(context, train)?.images)?.length === 1;
}

/** Images of another stage than the autoencoder's own must become whole latents as well. */
export const encodedImagesHalve: StageCheck<'encode' | 'train'> = ({ id, config }, context) => {
  if (config.images === undefined || config.autoencoder === undefined) return;
  const size = context.config('images', config.images)?.size;
  const autoencoder = autoencoderFacts(context, config.autoencoder);
  const training = context.config('autoencoder', config.autoencoder);
  const isItsOwn = training !== undefined && 'images' in training && training.images === config.images;
  if (size === undefined || !autoencoder || isItsOwn) return;
  if (size % autoencoder.downsample === 0) return;
  context.report(id, {
    at: 'images',
    code: 'size-not-divisible',
    message: `Images of ${counted(size, 'pixel')} cannot be divided by ${code(`downsample: ${autoencoder.downsample}`)} of ${code(config.autoencoder)}.`,
    remedy: `For ${code('size')}: ${nearestMultiples(size, autoencoder.downsample)}`,
    because: `stages.${config.images}.size`,
  });
};

/** Latents that a checkpoint was trained on were scaled as those beside it, which it does not tell itself. */
export const assumedScaleHolds: StageCheck<'sample' | 'train'> = ({ id, config }, context) => {
  const [models, autoencoder] =
    'sampler' in config
      ? [
          samplePlan(config).phases.map(({ model }, i) => ({
            model,
            at: config.phases ? `phases.${i}.model` : 'model',
          })),
          config.autoencoder,
        ]
      : [
          [
            ...(config.start === undefined ? [] : [{ model: config.start, at: 'start' }]),
            ...(config.teacher === undefined ? [] : [{ model: config.teacher.model, at: 'teacher.model' }]),
          ],
          trainedOn(context, config)?.autoencoder,
        ];
  const scale = autoencoder === undefined ? undefined : latentScale(context, autoencoder);
  if (autoencoder === undefined || scale === undefined || isUsual(scale)) return;
  for (const { model, at } of models) {
    const isFile = typeof model === 'object';
    const pretrained = isFile ? model : context.config('pretrained', model);
    if (!pretrained || pretrained.scalingFactor !== undefined) continue;
    if (describesItself(resolve(context.directory, pretrained.path))) continue;
    const beside =
      scale === 'statistics'
        ? `${code(autoencoder)}, which is trained here, has latents of another scale`
        : `latents of ${code(autoencoder)} are ${scale.shiftFactor ? `reduced by ${scale.shiftFactor}, then ` : ''}multiplied by ${scale.scalingFactor}`;
    const name = code(isFile ? at : model);
    context.report(id, {
      at: isFile ? `${at}.path` : at,
      code: 'scale-unknown',
      message: `${isFile ? code(model.path) : name} is assumed to be trained on latents that were multiplied by ${usualScalingFactor}, as its file does not tell; ${beside}.`,
      remedy: `Set ${code('scalingFactor')} of ${name} to the factor on its latents in training.`,
      ...(!isFile && { because: `stages.${model}.path` }),
    });
  }
};

const isUsual = (scale: LatentScale | 'statistics'): boolean =>
  scale !== 'statistics' && scale.scalingFactor === usualScalingFactor && !scale.shiftFactor;

/** True when a path is of a model of this project, whose description tells its scale. */
const describesItself = (path: string): boolean =>
  !/\.(pt|pth|ckpt|bin|safetensors)$/i.test(path) || existsSync(join(dirname(path), 'model.json'));

/** Classes named for mirroring are classes of the images. */
export const flippedClassesExist: StageCheck<'autoencoder' | 'encode' | 'train'> = (
  { id, config },
  context,
) => {
  if ('flips' in config && typeof config.flips === 'object' && config.images !== undefined)
    checkNames(context, id, 'flips.classes', config.flips.classes, config.images);
};

/** Classes to sample are classes that the model was trained on. */
export const sampledClassesExist: StageCheck<'sample'> = ({ id, config }, context) => {
  if (typeof config.classes !== 'object') return;
  const { model } = samplePlan(config).phases[0]!;
  const train = context.config('train', model);
  const images = train && trainedOn(context, train)?.images;
  const pretrained = context.config('pretrained', model)?.classes;
  const known = images === undefined ? pretrained : imageClasses(context, images);
  if (!Array.isArray(known)) return;
  const source = images ?? model;
  const names = config.classes.map((name) => (typeof name === 'string' ? name : undefined));
  reportUnknown(context, id, 'classes', names, source, known);
  for (const [i, label] of config.classes.entries()) {
    if (typeof label === 'string' || label < known.length) continue;
    context.report(id, {
      at: `classes.${i}`,
      code: 'unknown-class',
      message: `There is no class ${label}: ${code(source)} has ${counted(known.length, 'class', 'classes')}, counted from 0.`,
    });
  }
};

function checkNames(
  context: CheckContext,
  stage: string,
  at: string,
  names: readonly (string | undefined)[],
  images: string,
): void {
  const known = imageClasses(context, images);
  if (known) reportUnknown(context, stage, at, names, images, known);
}

function reportUnknown(
  context: CheckContext,
  stage: string,
  at: string,
  names: readonly (string | undefined)[],
  source: string,
  known: readonly string[],
): void {
  for (const [i, name] of names.entries()) {
    if (name === undefined || known.includes(canonicalName(name))) continue;
    context.report(stage, {
      at: `${at}.${i}`,
      code: 'unknown-class',
      message: `${code(name)} is not one of the classes of ${code(source)}.`,
      remedy: suggestion(name, known, 'Its classes'),
    });
  }
}
