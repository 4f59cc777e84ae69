import { sizeOf } from '../tensorflow/data-types.js';

/** Initial values of a parameter. */
export type Initial =
  | { readonly kind: 'zeros' }
  | { readonly kind: 'ones' }
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'normal'; readonly std: number }
  /** Uniform in ±bound. */
  | { readonly kind: 'uniform'; readonly bound: number };

/** Name, shape and start of one parameter of a model. */
export interface Parameter {
  readonly name: string;
  readonly shape: readonly number[];
  readonly initial: Initial;
  /** True when products of matrices alone take it: they round it where they compute in bfloat16. */
  readonly factor?: true;
  /** Matrices of a hidden layer [inputs, outputs] that stand side by side in it, along its outputs. */
  readonly hiddenMatrices?: number;
}

export const zeros: Initial = { kind: 'zeros' };
export const ones: Initial = { kind: 'ones' };
export const constant = (value: number): Initial => ({ kind: 'constant', value });
export const normal = (std: number): Initial => ({ kind: 'normal', std });
export const uniform = (bound: number): Initial => ({ kind: 'uniform', bound });

/** Xavier's uniform start of a linear map. Source: Glorot and Bengio, AISTATS 2010. */
export const xavier = (inputs: number, outputs: number): Initial =>
  uniform(Math.sqrt(6 / (inputs + outputs)));

/** Numbers that parameters hold. */
export const numbersIn = (parameters: readonly Pick<Parameter, 'shape'>[]): number =>
  parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
