import { DataTypeCode, type HostDataType, type HostTensor, hostDataType } from './data-types.js';
import { nativeBackend } from './native-backend.js';
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
  nativeBackend();
  const toTensor = ({ dtype, shape, data }: HostTensor) => tf.tensor(data, [...shape], dtype);
  const results = tf.tidy(() => {
    const tensors = mapValues(inputs as HostTensors, toTensor) as I;
    return program(tensors, mapValues(weights, toTensor), statics as S);
  });
  const values = mapValues(results as Tensors, (tensor) => ({
    dtype: hostDataType(DataTypeCode[tensor.dtype as HostDataType]),
    shape: tensor.shape,
    data: tensor.dataSync(),
  }));
  tf.dispose(results);
  return values as Record<keyof O, HostTensor>;
}
