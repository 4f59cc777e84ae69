import { UserError } from '../base/errors.js';
import type { Parameter } from '../nn/parameter.js';
import type { HostTensor, HostTensors, TensorSpec, TensorValue } from '../tensorflow/index.js';
import type { AverageDecay } from './averages.js';
import type { LossScaleState, StateGroup } from './checkpoint-manifest.js';
import type { Accumulation, LossProgram } from './gradients.js';
import { isOfMuon, type OptimizerConfig } from './optimizer.js';

/** Gives the value of each parameter, by its name, when it is wanted: so that few are in memory at once. */
export type ValueOf = (name: string) => TensorValue | Promise<TensorValue>;

/** Weights that the loss takes as they are, such as a teacher's. */
export interface FrozenWeights {
  /** Names are apart from those of what is trained. */
  readonly parameters: readonly Parameter[];
  /** Reads them: calls `write` once, which is done when it resolves. */
  load(write: (valueOf: ValueOf) => Promise<void>): Promise<void>;
}

/** Weights that are trained beside the model's, and are no part of its averages. */
export interface TrainedHead {
  /** Names are apart from those of the model. */
  readonly parameters: readonly Parameter[];
  /** The input without which a step neither uses nor changes them. */
  readonly input: string;
}

/** Prefix of the names of the first moving average among the weights that a loss takes. */
export const averagePrefix = 'average.';

export interface TrainerOptions {
  readonly parameters: readonly Parameter[];
  readonly heads?: readonly TrainedHead[] | undefined;
  /** Inputs that the batches of some steps lack. */
  readonly optional?: readonly string[] | undefined;
  /** True when the loss takes the first moving average too. */
  readonly takesAverage?: boolean | undefined;
  /** No part of the state: they are loaded before the first step of each session. */
  readonly frozen?: FrozenWeights | undefined;
  readonly loss: LossProgram;
  /** Shapes and types of a batch: of the whole share of a worker, however it is accumulated. */
  readonly inputs: Readonly<Record<string, TensorSpec>>;
  readonly optimizer: OptimizerConfig;
  /** Decays of the moving averages of the weights, at least one. */
  readonly averageDecays: readonly AverageDecay[];
  /** Largest global norm of the gradients; 0 leaves them as they are. */
  readonly gradientClip: number;
  /** Division of a batch into parts; by default it is computed at once. */
  readonly accumulation?: Accumulation | undefined;
}

/** Result of one step. */
export interface StepResult {
  readonly loss: number;
  /** Global norm of the gradients, before clipping. */
  readonly gradientNorm: number;
  /** False where loss or gradients were not finite: the step then changed nothing. */
  readonly applied: boolean;
  readonly figures: Readonly<Record<string, number>>;
  /** True when any worker asked to stop after this step: all learn it at the same step. */
  readonly stop: boolean;
}

/** Trainer: takes steps, and holds the state that checkpoints keep. */
export interface Trainer {
  /** The groups of tensors that make up the state. */
  readonly groups: readonly StateGroup[];
  /** Parameters that a group holds, in the order of names. */
  parametersOf(group: StateGroup): readonly Parameter[];

  /** Sets all state to the start of training: the given weights, their averages equal to them, moments zero. */
  start(weightOf: ValueOf): Promise<void>;

  /**
   * One step on a batch. `updates` is the number of steps taken before.
   *
   * @param wishToStop whether this worker wants all to stop after the step
   * @throws UserError `training-step` where the learning rate or the count is no such number
   */
  step(inputs: HostTensors, learningRate: number, updates: number, wishToStop?: boolean): Promise<StepResult>;

  /** Every parameter's name and value in one of the groups, in the order of names, a bounded number at a time. */
  read(group: StateGroup): AsyncGenerator<readonly [name: string, value: HostTensor]>;

  /** Sets every parameter of a group to what `valueOf` gives for its name. */
  write(group: StateGroup, valueOf: ValueOf): Promise<void>;

  /** The scale of the loss, where float16 needs one: part of the state. */
  readonly lossScale: LossScaleState | undefined;
  restoreLossScale(state: LossScaleState | undefined): void;
}

/** The start value of a parameter. Throws where there is none. */
export function startOf(weights: HostTensors): (name: string) => HostTensor {
  return (name) => {
    const value = weights[name];
    if (value === undefined) throw new Error(`No start value for the parameter ${name}.`);
    return value;
  };
}

/** The parameters that a step on a batch changes, and the options of a step on batches like it. */
export function stepOptions(
  { heads = [], optional = [], ...options }: TrainerOptions,
  batch: HostTensors,
): TrainerOptions {
  const { parameters, inputs } = options;
  const present = Object.entries(inputs).filter(([name]) => name in batch || !optional.includes(name));
  const trained = heads.filter(({ input }) => input in batch).flatMap((head) => head.parameters);
  return { ...options, parameters: [...parameters, ...trained], inputs: Object.fromEntries(present) };
}

/** The parameters of each group of a training's state. */
export function groupParameters(
  { parameters, heads = [], optimizer }: Pick<TrainerOptions, 'parameters' | 'heads' | 'optimizer'>,
  group: StateGroup,
): readonly Parameter[] {
  if (group.startsWith('heads')) return heads.flatMap((head) => head.parameters);
  if (group !== 'secondMoment') return parameters;
  return parameters.filter((parameter) => !isOfMuon(optimizer, parameter));
}

/** Parameters in the order in which files hold them. */
export function inNameOrder(parameters: readonly Parameter[]): Parameter[] {
  return [...parameters].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** @throws UserError `training-step` for what would make weights of no value */
export function checkStep(learningRate: number, updates: number): void {
  const problems = [
    ...(Number.isFinite(learningRate) && learningRate >= 0
      ? []
      : [`the learning rate must be a number of at least 0; ${String(learningRate)} was found`]),
    ...(Number.isSafeInteger(updates) && updates >= 0
      ? []
      : [`the steps before must be a whole number of at least 0; ${String(updates)} was found`]),
  ];
  if (problems.length > 0)
    throw new UserError({
      code: 'training-step',
      message: `No step can be taken: ${problems.join(', and ')}.`,
    });
}
