import { UserError } from '../../errors.js';
import { decodeBfloat16, decodeFloat16 } from '../float16.js';
import type { TensorData } from './dtypes.js';

/**
 * A tensor's floating-point numbers as single precision.
 *
 * @throws UserError `tensor-type` when its elements are integers.
 */
export function toFloat32({ dtype, data }: TensorData, name: string, path: string): Float32Array {
  switch (dtype) {
    case 'F32':
      return data as Float32Array;
    case 'F64':
      return Float32Array.from(data as Float64Array);
    case 'F16':
      return decodeFloat16(data as Uint16Array);
    case 'BF16':
      return decodeBfloat16(data as Uint16Array);
    default:
      throw new UserError({
        code: 'tensor-type',
        message: `${path}: tensor "${name}" was expected to hold floating-point numbers, but holds ${dtype}.`,
      });
  }
}
