import { code } from '../diagnostics/words.js';
import type { TrainConfig } from '../generated/index.js';
import { mediatorsPerBlock } from '../mediators.js';
import type { CheckContext, StageCheck } from './context.js';
import { trainedOn } from './latents.js';

/** Something that a model and the one that it starts from must have in common, and have not. */
interface Difference {
  /** Path of the key in the stage that starts. */
  readonly at: string;
  /** Path of the other key, in the stage that it starts from. */
  readonly because?: string;
  /** What is said about the model to start from, as the end of a sentence. */
  readonly says: string;
}

/** The model to start from differs in the size of its images only, as far as configurations tell. */
export const startFits: StageCheck<'train'> = ({ id, config }, context) => {
  const { start } = config;
  if (start === undefined) return;
  const train = context.config('train', start);
  const differences = train
    ? [...sizes(train, config), ...keys(train, config), ...data(train, config, context)]
    : pretrained(start, config, context);
  for (const { at, because, says } of differences) {
    context.report(id, {
      at,
      code: 'start-mismatch',
      message: `${code(start)}, which training starts from, ${says}.`,
      remedy: 'Only the size of the images, and what says how to train, may differ.',
      ...(because !== undefined && { because: `stages.${start}.${because}` }),
    });
  }
};

const sizeKeys = ['hiddenSize', 'depth', 'heads', 'patchSize'] as const;

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
  const values = (config: TrainConfig) => ({
    ...(there.model.depth === here.model.depth && { 'model.mediators': mediators(config) }),
    'model.qkNorm': config.model.qkNorm,
    interpolant: config.interpolant,
    prediction: config.prediction,
  });
  const own = new Map(Object.entries(values(here)));
  for (const [at, value] of Object.entries(values(there)))
    if (String(value) !== String(own.get(at)))
      yield {
        at,
        because: at,
        says: `has ${code(`${at}: ${String(value)}`)}; here it is ${code(own.get(at))}`,
      };
  const isConditional = ({ model }: TrainConfig) => model.labelDropout > 0;
  if (isConditional(there) === isConditional(here)) return;
  const at = 'model.labelDropout';
  yield {
    at,
    because: at,
    says: `has ${isConditional(there) ? 'a' : 'no'} null class, which ${code(at)} decides`,
  };
}

/** One number where all blocks have as many. */
function mediators({ model }: TrainConfig): number | number[] {
  const counts = mediatorsPerBlock(model);
  return counts.every((count) => count === counts[0]) ? counts[0]! : counts;
}

/** Latents of another autoencoder mean something else, and labels of other classes do. */
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
  const [known, classes] = [from, to].map(({ images }) => context.config('images', images)?.classes?.length);
  if (known === undefined || classes === undefined || known === classes) return;
  yield {
    at: here.latents === undefined ? 'images' : 'latents',
    says: `knows ${known} classes; ${code(to.images)} has ${classes}`,
  };
}

function* pretrained(start: string, here: TrainConfig, context: CheckContext): Generator<Difference> {
  const there = context.config('pretrained', start);
  if (!there) return;
  for (const key of ['interpolant', 'prediction'] as const)
    if (there[key] !== undefined && there[key] !== here[key])
      yield {
        at: key,
        because: key,
        says: `has ${code(`${key}: ${there[key]}`)}; here it is ${code(here[key])}`,
      };
}
