import { join } from 'node:path';
import { UserError } from '../../base/errors.js';
import type { PretrainedConfig, TrainConfig } from '../../generated/index.js';
import { carryLines, planCarry } from '../../models/sit/carry.js';
import type { CarriedModel, Carry, WeightOf } from '../../models/sit/carry.js';
import { sitParameters } from '../../models/sit/config.js';
import type { StageContext } from '../../runner/stage.js';
import { type AverageDecay, averageName } from '../../training/averages.js';
import { averageGroups } from '../../training/checkpoint-manifest.js';
import type { Normalization } from '../../training/diffusion-loss.js';
import type { Trainer, ValueOf } from '../../training/trainer.js';
import { differentScale, type ModelDescription } from '../../weights/model-source.js';
import { type ModelSource, savedSource } from '../../weights/model-source.js';
import { readSavedModel } from '../../weights/saved-files.js';
import { openPlanned, openPretrained } from '../pretrained/open-pretrained.js';
import { locate, originOf } from '../pretrained/place.js';
import { plannedTrainingLatents } from '../shared/planned.js';
import type { PlannedImages, PlannedLatents, Resolve } from '../shared/planned.js';
import type { TrainingData } from './batches.js';
import { modelConfig } from './config.js';

/** The model that training starts from. */
export interface StartModel {
  readonly name: string;
  /** Commit and SHA-256 of a file that was downloaded. */
  readonly origin: Readonly<Record<string, string>>;
  readonly description: ModelDescription;
  /** Sentences that say what was taken for what in its file. */
  readonly told: readonly string[];
  /** Opens its weights, those of an average of that decay where it keeps one. Close them after use. */
  open(decay?: AverageDecay): Promise<ModelSource>;
}

/** Finds the model that a stage starts from; nothing where it starts from none. */
export async function findStart(
  { start }: TrainConfig,
  {
    input,
    pipelineDirectory: folder,
    pins,
    signal,
  }: Pick<StageContext, 'input' | 'pipelineDirectory' | 'pins' | 'signal'>,
): Promise<StartModel | undefined> {
  if (start === undefined) return undefined;
  if (typeof start === 'object') {
    const located = await locate(start, folder, pins?.['start.path'], { signal });
    const open = () => openPretrained(located.path, start, folder);
    return { name: start.path, origin: originOf(located), ...(await describedBy(open)), open };
  }
  const { directory } = input(start);
  const { weights, ...description } = await readSavedModel(directory);
  const paths: Readonly<Record<string, string | undefined>> = weights;
  return {
    name: start,
    origin: {},
    description,
    told: [],
    open: (decay) => {
      const average = decay === undefined ? undefined : paths[averageName(decay)];
      return savedSource(directory, { weights: 'all' }, average && join(directory, average));
    },
  };
}

async function describedBy(
  open: () => Promise<ModelSource>,
): Promise<Pick<ModelSource, 'description' | 'told'>> {
  const source = await open();
  await source.close();
  return source;
}

/**
 * Plans how the model's weights are carried to a training's.
 *
 * @throws UserError `start-mismatch` where its outputs mean something else; `weights-not-carried` where nothing fits
 */
export function carryFrom(
  name: string,
  from: Pick<TrainConfig, 'interpolant' | 'prediction'> & CarriedModel,
  to: Pick<TrainConfig, 'interpolant' | 'prediction'>,
  model: CarriedModel,
): Carry {
  for (const key of ['interpolant', 'prediction'] as const)
    if (from[key] !== to[key])
      throw new UserError({
        code: 'start-mismatch',
        message: `${name}, which training starts from, has \`${key}: ${from[key]}\`; here it is \`${to[key]}\`.`,
        remedy: `Train with \`${key}: ${from[key]}\`.`,
      });
  try {
    return planCarry(from, model);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const { code, message, remedy } = error;
    throw new UserError({ code, message: `${name}: ${message}`, ...(remedy !== undefined && { remedy }) });
  }
}

/**
 * Sets a trainer to the weights of a model and their moving averages, carried to its own; moments are zero, as at any
 * start. An average goes on from the model's own of the same decay, or else from its first.
 *
 * @param decays of the trainer's averages
 * @param begin start values of what the model has not
 */
export async function startFrom(
  trainer: Trainer,
  start: StartModel,
  carry: Carry,
  decays: readonly AverageDecay[],
  begin: WeightOf,
): Promise<void> {
  const there = new Map(sitParameters(start.description.config).map((each) => [each.name, each]));
  const own = new Set(trainer.parametersOf('weights').map(({ name }) => name));
  const carried = async (
    set: 'raw' | 'ema',
    decay: AverageDecay | undefined,
    use: (valueOf: ValueOf) => Promise<void>,
  ): Promise<void> => {
    const source = await start.open(decay);
    const weightOf: WeightOf = (name) => source.read(set, there.get(name)!);
    try {
      // What is trained beside the model begins anew.
      await use((name) => (own.has(name) ? carry.valueOf(name, weightOf, begin) : begin(name)));
    } finally {
      await source.close();
    }
  };
  await carried('raw', undefined, (weightOf) => trainer.start(weightOf));
  for (const [i, group] of averageGroups(decays).entries())
    await carried('ema', decays[i], (averageOf) => trainer.write(group, averageOf));
}

/**
 * Plans how a stage would begin with the model that it starts from, as far as is known before anything runs: from its
 * output, its configuration, or the header of its file. Nothing where that model's sizes are not known.
 *
 * @throws UserError as `carryFrom`, and for what is wrong with the file
 */
export async function plannedCarry(
  config: TrainConfig,
  resolve: Resolve,
  directory: string,
): Promise<Carry | undefined> {
  const { start } = config;
  if (start === undefined) return undefined;
  const from = await plannedStart(start, resolve, directory);
  if (from === undefined) return undefined;
  // Where it is not known yet what an autoencoder makes, everything but the size of the latents is.
  const latents: Partial<PlannedLatents> = plannedTrainingLatents(config, resolve) ?? {};
  const { latentSize, channels } = from.config;
  const model = modelConfig(config, { latentSize, channels, ...latents, classes: latents.classes ?? 0 });
  const name = typeof start === 'string' ? start : start.path;
  return carryFrom(name, from, config, { config: model, ...classesOf(latents) });
}

type PlannedStart = Pick<TrainConfig, 'interpolant' | 'prediction'> & CarriedModel;

async function plannedFile(config: PretrainedConfig, folder: string): Promise<PlannedStart | undefined> {
  const source = await openPlanned(config, folder);
  await source?.close();
  return source?.description;
}

/** A stage's model, or a file's, as far as it is known before anything runs. @throws UserError for what is wrong with a file */
export async function plannedStart(
  start: NonNullable<TrainConfig['start']>,
  resolve: Resolve,
  directory: string,
): Promise<PlannedStart | undefined> {
  if (typeof start === 'object') return plannedFile(start, directory);
  const { kind, config, output } = resolve(start);
  if (output !== undefined) return readSavedModel(output.directory);
  if (kind === 'pretrained') return plannedFile(config as unknown as PretrainedConfig, directory);
  const training = config as unknown as TrainConfig;
  const latents = plannedTrainingLatents(training, resolve);
  if (latents === undefined) return undefined;
  const { interpolant, prediction } = training;
  const model = modelConfig(training, { ...latents, classes: latents.classes ?? 0 });
  return { config: model, interpolant, prediction, ...classesOf(latents) };
}

const classesOf = ({ classNames }: Pick<PlannedImages, 'classNames'>): Pick<CarriedModel, 'classes'> =>
  classNames === undefined ? {} : { classes: classNames };

/** Summary of a start, as it is recorded. */
export const startSummary = ({ name, told }: StartModel, carry: Carry): readonly string[] => [
  `from ${name}`,
  ...told.map((line) => line.replace(/\.$/, '')),
  ...carryLines(carry),
];

/** Deviation of normalised latents, which is about 1, from which on they are of another scale; or its inverse. */
const otherScaleFrom = 2;

/**
 * The sentence that warns where latents are of another scale than those that a model was trained on: by their statistics,
 * or else by the factors of both.
 *
 * @param latents the stage that makes them
 */
export function otherScale(
  { name: model, description }: Pick<StartModel, 'name' | 'description'>,
  latents: string,
  { statistics, normalization, own }: Pick<TrainingData, 'statistics' | 'normalization' | 'own'>,
): string | undefined {
  return (
    otherDeviations(model, latents, statistics, normalization) ??
    (own && [own, description.normalization].every(isOneFactor)
      ? differentScale(model, description.normalization, latents, own)
      : undefined)
  );
}

const isOneFactor = ({ mean, std }: Normalization): boolean =>
  [mean, std].every((values) => new Set(values).size === 1);

function otherDeviations(
  model: string,
  latents: string,
  statistics: Normalization | undefined,
  normalization: Normalization,
): string | undefined {
  const deviations = statistics?.std.map((std, i) => std / normalization.std[i]!);
  if (deviations?.some((each) => each >= otherScaleFrom || each <= 1 / otherScaleFrom) !== true)
    return undefined;
  const range = [Math.min(...deviations), Math.max(...deviations)].map((each) => each.toPrecision(3));
  return `Normalised as those that ${model} was trained on, latents of ${latents} have deviations of ${range.join(' to ')} instead of about 1. They seem to be of another scale, or of another autoencoder.`;
}
