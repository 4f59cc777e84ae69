import type { Tensor } from '@tensorflow/tfjs';
import { DataTypeCode, type HostDataType, hostDataType, type HostTensor } from './data-types.js';
import { tf } from './tfjs.js';

/** A tensor of tfjs with a host tensor's values. */
export function fromHost({ dtype, shape, data }: HostTensor): Tensor {
  return tf.tensor(data, [...shape], dtype);
}

/** A copy of a tensor in JavaScript's memory. */
export async function readHost(tensor: Tensor): Promise<HostTensor> {
  return hostTensor(tensor, await tensor.data());
}

/** A copy of a tensor in JavaScript's memory, at once. */
export function readHostSync(tensor: Tensor): HostTensor {
  return hostTensor(tensor, tensor.dataSync());
}

function hostTensor({ dtype, shape }: Tensor, data: HostTensor['data']): HostTensor {
  return { dtype: hostDataType(DataTypeCode[dtype as HostDataType]), shape, data };
}

/** `tf.tidy` for results of any type that holds tensors: lists and records within each other. */
export function tidy<T>(body: () => T): T {
  return tf.tidy(body as never) as T;
}
