import type { SiTConfig } from '../../models/sit/config.js';
import type { Parameter } from '../../nn/parameters.js';
import type { HostTensor } from '../../tensorflow/index.js';
import type { InterpolantName, Prediction } from '../../transport/index.js';
import type { SavedModel } from '../train/saved-model.js';

/** Copies of a model's parameters: the last weights, their moving average, and the moments of AdamW. */
export type WeightSet = 'raw' | 'ema' | 'firstMoment' | 'secondMoment';

/** What a model is, apart from where its weights are. */
export type ModelDescription = Omit<SavedModel, 'weights'>;

/** What AdamW was when the weights were saved. */
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
  /** Whether the moving average is another set than the last weights. */
  readonly hasAverage: boolean;
  /** There where the moments are. */
  readonly optimizer?: OptimizerState;
  /** A parameter in our layout. */
  read(set: WeightSet, parameter: Parameter): Promise<HostTensor>;
  close(): Promise<void>;
}

/** What the user says of a file. What the file says too must agree. */
export interface ModelHints {
  /** `ema` and `raw` take that set of weights for both. */
  readonly weights: 'all' | 'ema' | 'raw';
  readonly heads?: number | undefined;
  readonly labelDropout?: number | undefined;
  readonly interpolant?: InterpolantName | undefined;
  readonly prediction?: Prediction | undefined;
  /** Names of the classes, by label. */
  readonly classes?: readonly string[] | undefined;
  readonly scalingFactor?: number | undefined;
}

/** The hints' part that a description of the model has too. */
export type Described = Pick<ModelHints, 'interpolant' | 'prediction' | 'labelDropout'> & {
  readonly heads?: SiTConfig['heads'] | undefined;
};
