import type { HostTensor } from './data-types.js';
import { ensureEngine } from './engine.js';
import { fromHost, readHostSync } from './host-tensors.js';
import type { Static } from './signature.js';
import { tf } from './tfjs.js';
import { type HostTensors, type Program, type Tensors, mapValues } from './trace.js';

/** The eager counterpart of a compiled program: the same program on host tensors, operation by operation. */
export function runEagerly<I extends Tensors, O extends Tensors, S extends Static = undefined>(
  program: Program<I, O, S>,
  inputs: Readonly<Record<keyof I, HostTensor>>,
  weights: HostTensors = {},
  statics?: S,
): Record<keyof O, HostTensor> {
  ensureEngine();
  const results = tf.tidy(() => {
    const tensors = mapValues(inputs as HostTensors, fromHost) as I;
    return program(tensors, mapValues(weights, fromHost), statics as S);
  });
  const values = mapValues(results as Tensors, readHostSync);
  tf.dispose(results);
  return values as Record<keyof O, HostTensor>;
}
