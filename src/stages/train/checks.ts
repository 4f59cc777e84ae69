import type { PretrainedConfig, TrainConfig } from '../../generated/index.js';
import { code } from '../../runner/diagnostics.js';
import { hasMargin, unsupportedCombination } from '../../transport/interval.js';
import { besideChecks } from './beside-checks.js';
import { autoencoderFacts } from '../autoencoder/checks.js';
import type { CheckContext, StageCheck } from '../shared/check.js';
import { checkGuidance, checkGuidedChannels } from '../shared/guidance-checks.js';
import {
  assumedScaleHolds,
  encodedImagesHalve,
  flippedClassesExist,
  trainedOn,
} from '../shared/latent-checks.js';

/** Stored latents are cropped and mirrored by the stage that encodes. */
const croppingIsOfImages: StageCheck<'train'> = ({ id, config }, context) => {
  if (config.latents === undefined) return;
  const report = (at: 'flips' | 'crop', remedy: string) => {
    context.report(id, {
      at,
      code: 'no-effect',
      message: `${code(at)} applies to images that are encoded during training; ${code('latents')} are used as they are.`,
      remedy,
    });
  };
  if (config.flips !== false) report('flips', `Set ${code('flips')} of ${code(config.latents)}.`);
  if (config.crop !== 'centre')
    report('crop', `Remove it, or train on ${code('images')} and ${code('autoencoder')}.`);
};

/** Samples during training need what any sampling needs. */
const trainingSamplesCanBeDrawn: StageCheck<'train'> = ({ id, config }, context) => {
  for (const key of ['samples', 'evaluate'] as const) samplesCanBeDrawn(key, id, config, context);
};

function samplesCanBeDrawn(
  key: 'samples' | 'evaluate',
  id: string,
  config: TrainConfig,
  context: CheckContext,
): void {
  const { [key]: samples } = config;
  if (samples === undefined) return;
  const { guidanceScale: scale, guidanceChannels: channels } = samples;
  const asked = { at: `${key}.guidanceScale`, scale, channels, models: [id] };
  checkGuidance(id, asked, context);
  checkGuidedChannels(id, asked, context);
  decodesWhatWasEncoded(key, id, config, samples.autoencoder, context);
}

function decodesWhatWasEncoded(
  key: 'samples' | 'evaluate',
  id: string,
  config: TrainConfig,
  decoder: string,
  context: CheckContext,
): void {
  const encoder = trainedOn(context, config)?.autoencoder;
  const encoding = encoder === undefined ? undefined : autoencoderFacts(context, encoder);
  const decoding = autoencoderFacts(context, decoder);
  if (encoder === undefined || !encoding || !decoding) return;
  if (encoding.latentChannels === decoding.latentChannels) return;
  context.report(id, {
    at: `${key}.autoencoder`,
    code: 'autoencoder-mismatch',
    message: `${code(decoder)} has ${code(`latentChannels: ${decoding.latentChannels}`)}, and ${code(encoder)}, which made the latents, has ${code(`latentChannels: ${encoding.latentChannels}`)}.`,
    remedy: `Decode with ${code(encoder)}.`,
  });
}

/** The figure that chooses the best average is computed. */
const bestIsComputed: StageCheck<'train'> = ({ id, config: { evaluate } }, context) => {
  if (evaluate?.best === undefined) return;
  const { best, metrics } = evaluate;
  const metric = best === 'precision' || best === 'recall' ? 'precisionRecall' : best;
  if (metrics.includes(metric)) return;
  context.report(id, {
    at: 'evaluate.best',
    code: 'missing-key',
    message: `${code('best')} goes by a figure that is not computed: ${code(best)}.`,
    remedy: `Add ${code(metric)} to ${code('metrics')}.`,
    because: `stages.${id}.evaluate.metrics`,
  });
};

/** Evaluations happen before the training is over. */
const evaluationsHappen: StageCheck<'train'> = ({ id, config: { evaluate, steps } }, context) => {
  if (evaluate === undefined || steps === undefined || evaluate.everySteps <= steps) return;
  context.report(id, {
    at: 'evaluate.everySteps',
    code: 'no-effect',
    message: `The training has ${steps} steps, and evaluates every ${evaluate.everySteps}: only at its end, where an ${code('evaluate')} stage serves.`,
    remedy: `Use at most ${code(`everySteps: ${steps}`)}.`,
    because: `stages.${id}.steps`,
  });
};

/** The weights of errors that a training takes, and their places. */
function lossWeights({ lossWeight, until }: TrainConfig): [string, TrainConfig['lossWeight']][] {
  const first = until?.lossWeight;
  return [
    ['lossWeight', lossWeight],
    ...(first === undefined ? [] : [['until.lossWeight', first] as [string, typeof first]]),
  ];
}

/** A velocity's error is not weighed by what makes a score's or noise's error comparable to it; data's by no bound. */
const lossWeightApplies: StageCheck<'train'> = ({ id, config }, context) => {
  const { prediction } = config;
  for (const [at, lossWeight] of lossWeights(config)) {
    if (typeof lossWeight === 'object' || lossWeight === 'none') continue;
    if (prediction === 'data' && lossWeight === 'likelihood')
      context.report(id, {
        at,
        code: 'impossible-transport',
        message: `${code('lossWeight: likelihood')} of ${code('prediction: data')} would grow without bound towards the data.`,
        remedy: `Use ${code('lossWeight: velocity')}, ${code('none')} or ${code({ kind: 'minSnr' })}.`,
      });
    if (prediction !== 'velocity') continue;
    context.report(id, {
      at,
      code: 'impossible-transport',
      message: `${code(`lossWeight: ${lossWeight}`)} applies to the error of a score, of noise or of data; ${code('prediction: velocity')} is trained without it.`,
      remedy: `Use ${code('lossWeight: none')} or ${code({ kind: 'minSnr' })}, or ${code('prediction: noise')}.`,
    });
  }
};

/** The direction that counts is the velocity's. */
const directionIsOfVelocity: StageCheck<'train'> = ({ id, config }, context) => {
  if (config.directionLoss === undefined || config.prediction === 'velocity') return;
  context.report(id, {
    at: 'directionLoss',
    code: 'impossible-transport',
    message: `${code('directionLoss')} compares velocities, and ${code(`prediction: ${config.prediction}`)} gives none.`,
    remedy: `Remove it, or use ${code('prediction: velocity')}.`,
  });
};

/** Training divides by nothing that is zero. */
const trainingDividesByNonZero: StageCheck<'train'> = ({ id, config }, context) => {
  const { interpolant, prediction, trainEpsilon } = config;
  const reason = lossWeights(config)
    .map(([, lossWeight]) =>
      unsupportedCombination({
        interpolant,
        prediction,
        ...(typeof lossWeight === 'string' && { lossWeight }),
        ...(trainEpsilon !== undefined && { trainEpsilon }),
      }),
    )
    .find((reason) => reason !== undefined);
  if (reason === undefined) return;
  context.report(id, {
    at: 'trainEpsilon',
    code: 'impossible-transport',
    message: `This cannot be trained: ${reason}.`,
    remedy: `Remove ${code('trainEpsilon')}, whose default keeps away from it, or use one such as 1e-3.`,
  });
};

/** A margin is kept where something is divided by zero, and nowhere else. */
const marginIsKept: StageCheck<'train'> = ({ id, config }, context) => {
  if (!config.trainEpsilon || hasMargin(config)) return;
  context.report(id, {
    at: 'trainEpsilon',
    code: 'no-effect',
    message: `With ${code(`interpolant: ${config.interpolant}`)} and ${code(`prediction: ${config.prediction}`)} nothing is divided by zero, and times go from 0 to 1: ${code('trainEpsilon')} has no effect.`,
    remedy: 'Remove it.',
  });
};

/** Values until a step give way to the stage's own before the training is over. */
const untilEnds: StageCheck<'train'> = ({ id, config: { until, steps } }, context) => {
  if (until === undefined || steps === undefined || until.step < steps) return;
  context.report(id, {
    at: 'until.step',
    code: 'no-effect',
    message: `The training has ${steps} steps: what ${code('until')} says would hold to its end.`,
    remedy: `Use fewer than ${steps} steps, or set the keys of the stage.`,
    because: `stages.${id}.steps`,
  });
};

/** Property that a model and the one that it starts from must have in common, and have not. */
interface Difference {
  /** Path of the key in the stage that starts. */
  readonly at: string;
  /** Path of the other key, in the stage that it starts from. */
  readonly because?: string;
  /** Description of the model to start from, as the end of a sentence. */
  readonly says: string;
}

/** The teacher's numbers mean what they mean here, as far as configurations tell. */
const teacherFits: StageCheck<'train'> = ({ id, config }, context) => {
  const name = config.teacher?.model;
  if (name === undefined) return;
  const train = context.config('train', name);
  const differences = train
    ? [...keys(train, config), ...data(train, config, context)]
    : pretrained(context.config('pretrained', name), config);
  for (const { at, because, says } of differences) {
    context.report(id, {
      at,
      code: 'teacher-mismatch',
      message: `${code(name)}, which training learns from, ${says}.`,
      remedy: 'Width, depth, heads, mediators, patches and classes may differ.',
      ...(because !== undefined && { because: `stages.${name}.${because}` }),
    });
  }
};

/** A teacher that is guided can be. */
const teacherCanBeGuided: StageCheck<'train'> = ({ id, config: { teacher } }, context) => {
  if (teacher === undefined) return;
  const { model, guidanceScale: scale, guidanceChannels: channels } = teacher;
  const asked = { at: 'teacher.guidanceScale', scale, channels, models: [model] };
  checkGuidance(id, asked, context);
  checkGuidedChannels(id, asked, context);
};

/** The model to start from gives what the same numbers mean here, as far as configurations tell. */
const startFits: StageCheck<'train'> = ({ id, config }, context) => {
  const { start } = config;
  if (start === undefined) return;
  const name = typeof start === 'string' ? start : start.path;
  const train = typeof start === 'string' ? context.config('train', start) : undefined;
  const differences = train
    ? [...sizes(train, config), ...keys(train, config), ...data(train, config, context)]
    : pretrained(typeof start === 'string' ? context.config('pretrained', start) : start, config);
  for (const { at, because, says } of differences) {
    context.report(id, {
      at,
      code: 'start-mismatch',
      message: `${code(name)}, which training starts from, ${says}.`,
      remedy: mayDiffer,
      ...(because !== undefined && typeof start === 'string' && { because: `stages.${name}.${because}` }),
    });
  }
};

const mayDiffer =
  'Mediators, depth, patches, classes, norms and the size of images may differ, and what says how to train.';

const sizeKeys = ['hiddenSize', 'heads'] as const;

/** A named model has all sizes from its name: they are told at once. */
function* sizes({ model: there }: TrainConfig, { model: here }: TrainConfig): Generator<Difference> {
  const different = sizeKeys.filter((key) => there[key] !== here[key]);
  if (different.length === 0) return;
  const told = different.map((key) => `${key} ${there[key]} (here ${here[key]})`);
  yield {
    at: here.name === undefined ? `model.${different[0]!}` : 'model.name',
    because: there.name === undefined ? `model.${different[0]!}` : 'model.name',
    says: `has ${told.join(', ')}`,
  };
}

function* keys(there: TrainConfig, here: TrainConfig): Generator<Difference> {
  for (const at of ['interpolant', 'prediction'] as const)
    if (there[at] !== here[at])
      yield { at, because: at, says: `has ${code(`${at}: ${there[at]}`)}; here it is ${code(here[at])}` };
}

/** Latents of another autoencoder mean something else. */
function* data(there: TrainConfig, here: TrainConfig, context: CheckContext): Generator<Difference> {
  const [from, to] = [trainedOn(context, there), trainedOn(context, here)];
  if (!from || !to) return;
  const autoencoders = [from, to].map(({ autoencoder }) => context.config('autoencoder', autoencoder));
  const isKnown = autoencoders.every((autoencoder) => autoencoder !== undefined);
  if (isKnown && JSON.stringify(autoencoders[0]) !== JSON.stringify(autoencoders[1]))
    yield {
      at: here.latents === undefined ? 'autoencoder' : 'latents',
      says: `was trained on latents of ${code(from.autoencoder)}; these are of ${code(to.autoencoder)}, whose latents are others`,
    };
}

/** Differences from a file, or from a stage that takes one. */
function* pretrained(
  there: Pick<PretrainedConfig, 'interpolant' | 'prediction'> | undefined,
  here: TrainConfig,
): Generator<Difference> {
  for (const key of ['interpolant', 'prediction'] as const) {
    const said = there?.[key];
    if (said !== undefined && said !== here[key])
      yield { at: key, because: key, says: `has ${code(`${key}: ${said}`)}; here it is ${code(here[key])}` };
  }
}

/** Rules of `train` about data, loss, start and samples. */
export const trainingChecks: readonly StageCheck<'train'>[] = [
  encodedImagesHalve,
  flippedClassesExist,
  croppingIsOfImages,
  lossWeightApplies,
  directionIsOfVelocity,
  trainingDividesByNonZero,
  marginIsKept,
  untilEnds,
  startFits,
  teacherFits,
  teacherCanBeGuided,
  assumedScaleHolds,
  trainingSamplesCanBeDrawn,
  bestIsComputed,
  evaluationsHappen,
  ...besideChecks,
];
