import type { PretrainedConfig, TrainConfig } from '../../generated/index.js';
import { code } from '../../runner/diagnostics.js';
import type { CheckContext, StageCheck } from '../shared/check.js';
import { trainedOn } from '../shared/latent-checks.js';

/** Property that a model and the one that it starts from must have in common, and have not. */
interface Difference {
  /** Path of the key in the stage that starts. */
  readonly at: string;
  /** Path of the other key, in the stage that it starts from. */
  readonly because?: string;
  /** Description of the model to start from, as the end of a sentence. */
  readonly says: string;
}

/** The model to start from gives what the same numbers mean here, as far as configurations tell. */
export const startFits: StageCheck<'train'> = ({ id, config }, context) => {
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
