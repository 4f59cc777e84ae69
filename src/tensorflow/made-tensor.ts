import type { Tensor } from '@tensorflow/tfjs';
import type { HostTensor } from './data-types.js';
import { fromHost, readHostSync } from './host-tensors.js';
import type { Static } from './signature.js';
import { tf } from './tfjs.js';
import { type HostTensors, mapValues, type Program, type Tensors } from './trace.js';

/** A tensor that a program makes where it is wanted, without a copy in JavaScript's memory. */
export interface MadeTensor {
  readonly program: Program<Tensors, { readonly value: Tensor }>;
  readonly inputs: HostTensors;
}

export type TensorValue = HostTensor | MadeTensor;

export const isMade = (value: TensorValue): value is MadeTensor => 'program' in value;

/** The value in JavaScript's memory. */
export function hostValue(value: TensorValue): HostTensor {
  return isMade(value) ? runHere(value.program, value.inputs).value : value;
}

/** Runs a program operation by operation. */
export function runHere<I extends Tensors, O extends Tensors, S extends Static = undefined>(
  program: Program<I, O, S>,
  inputs: Readonly<Record<keyof I, HostTensor>>,
  weights: HostTensors = {},
  statics?: S,
): Record<keyof O, HostTensor> {
  const results = tf.tidy(() => {
    const tensors = mapValues(inputs as HostTensors, fromHost) as I;
    return program(tensors, mapValues(weights, fromHost), statics as S);
  });
  const values = mapValues(results as Tensors, readHostSync);
  tf.dispose(results);
  return values as Record<keyof O, HostTensor>;
}
