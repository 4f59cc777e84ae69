import { UserError } from '../base/errors.js';
import type { SiTConfig } from '../models/sit/config.js';
import { optionProblems } from '../runner/resolve.js';
import { pipelineRules } from '../stages/registry.js';
import type { ProgramSession, Tensor, Tensors, TensorSpec } from '../tensorflow/index.js';
import type { AdamWConfig } from '../training/adamw.js';
import type { Loss } from '../training/gradients.js';
import { openTrainer as open } from '../training/open-trainer.js';
import type { Trainer, TrainerOptions } from '../training/trainer.js';
import type { TransportChoice } from '../transport/names.js';

type Stages = Readonly<Record<string, object>>;

/** A model as a stage describes it: as little of it as is given. */
export interface OptionsOfModel extends Pick<SiTConfig, 'latentSize' | 'channels' | 'classes'> {
  /** The keys of a `train` stage's `model`. */
  readonly model: object;
  readonly transport: TransportChoice;
}

/** Stages that train a model on latents of its size, so that rules across stages know them. */
export function modelStages(
  id: string,
  { latentSize, channels, classes, model, transport }: OptionsOfModel,
): Stages {
  // Images have 8 to 4096 pixels.
  const downsample = latentSize < 4 ? 8 : 2;
  const names = Array.from({ length: classes }, (_, label) => String(label));
  const [images, autoencoder, latents] = [`${id}-images`, `${id}-autoencoder`, `${id}-latents`];
  return {
    [images]: {
      ...{ uses: 'images', path: '.', size: latentSize * downsample },
      classes: names,
    },
    [autoencoder]: {
      ...{ uses: 'autoencoder', images, channels: [8], steps: 1 },
      ...{ latentChannels: channels, downsample },
    },
    [latents]: { uses: 'encode', images, autoencoder },
    [id]: { uses: 'train', latents, model, steps: 1, ...transport },
  };
}

/** The stages' model with a configuration in full. */
export function stagesOf(id: string, config: SiTConfig, transport: TransportChoice): Stages {
  const { latentSize, channels, classes, ...model } = config;
  return modelStages(id, { latentSize, channels, classes, model, transport });
}

/**
 * Holds options to what the same keys are held to in pipeline files.
 *
 * @param what what cannot be done, as the start of a sentence
 * @throws UserError of that code with everything that is wrong
 */
export function checkOptions(code: string, what: string, stages: Stages): void {
  const problems = optionProblems({ name: 'options', stages }, pipelineRules);
  if (problems.length === 0) return;
  const remedies = new Set(problems.flatMap(({ remedy }) => remedy ?? []));
  throw new UserError({
    code,
    message: `${what}: ${[...new Set(problems.map(({ message }) => message))].join(' ')}`,
    ...(remedies.size > 0 && { remedy: [...remedies].join(' ') }),
  });
}

/** An object of tensors, also one whose names are known. */
type TensorsOf<Inputs> = Readonly<Record<keyof Inputs, Tensor>>;

/** Options of a trainer whose loss knows its inputs by their names. */
export interface LibraryTrainerOptions<Inputs extends TensorsOf<Inputs> = Tensors> extends Omit<
  TrainerOptions,
  'inputs' | 'loss' | 'averageDecays' | 'optimizer'
> {
  readonly optimizer: AdamWConfig;
  /** Decays of the exponential moving averages of the weights, at least one. */
  readonly averageDecays: readonly number[];
  readonly inputs: Readonly<Record<keyof Inputs, TensorSpec>>;
  readonly loss: (inputs: Inputs, weights: Tensors) => Loss;
}

/**
 * A trainer whose state lives in the session: compiled where that is native, step by step otherwise.
 *
 * @throws UserError `training-options` for what a `train` stage may not have either
 */
export function openTrainer<Inputs extends TensorsOf<Inputs> = Tensors>(
  session: ProgramSession,
  options: LibraryTrainerOptions<Inputs>,
): Trainer {
  const { optimizer, averageDecays, gradientClip } = options;
  const { betas, weightDecay } = optimizer;
  const model = { hiddenSize: 4, depth: 1, heads: 1, patchSize: 1, mediators: 0 };
  const transport: TransportChoice = { interpolant: 'linear', prediction: 'velocity' };
  const { training, ...others } = modelStages('training', {
    ...{ latentSize: 4, channels: 4, classes: 2, model, transport },
  });
  checkOptions('training-options', 'Nothing can be trained', {
    ...others,
    training: { ...training, betas, weightDecay, gradientClip, ema: averageDecays },
  });
  // The trainer gives the loss what `inputs` says, by its names.
  return open(session, options as unknown as TrainerOptions);
}
