import { argumentError, UserError } from '../base/errors.js';

/** TensorFlow's numbers for data types (`TF_DataType` in its C API). */
export const DataTypeCode = {
  float32: 1,
  float64: 2,
  int32: 3,
  uint8: 4,
  string: 7,
  complex64: 8,
  int64: 9,
  bool: 10,
  bfloat16: 14,
  float16: 19,
  resource: 20,
  uint64: 23,
} as const;

export type DataTypeName = keyof typeof DataTypeCode;

/** Data types that cross between JavaScript and a session. */
export type HostDataType = 'float32' | 'int32' | 'bool';

/** A tensor in JavaScript's memory: what crosses asynchronous boundaries, unlike a `tf.Tensor`. */
export interface HostTensor {
  readonly dtype: HostDataType;
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array | Uint8Array;
}

const arrays = { float32: Float32Array, int32: Int32Array, bool: Uint8Array } as const;

/** A float32 host tensor over `data` (not copied). */
export function float32(shape: readonly number[], data: Float32Array): HostTensor {
  return checked({ dtype: 'float32', shape, data });
}

/** An int32 host tensor over `data` (not copied). */
export function int32(shape: readonly number[], data: Int32Array): HostTensor {
  return checked({ dtype: 'int32', shape, data });
}

/** A float32 scalar. */
export function scalar(value: number): HostTensor {
  return { dtype: 'float32', shape: [], data: Float32Array.of(value) };
}

/** The values of a float32 host tensor; throws when it holds another type. */
export function floats(tensor: HostTensor): Float32Array {
  if (!(tensor.data instanceof Float32Array))
    throw argumentError(`Expected a tensor of float32, found one of ${tensor.dtype}.`);
  return tensor.data;
}

/** Float32 tensors that differ in their first extent alone, one after the other along it. */
export function joinedRows(parts: readonly HostTensor[]): HostTensor {
  if (parts.length === 0) throw argumentError('At least one tensor is needed for rows to be joined.');
  const count = parts.reduce((sum, { shape }) => sum + shape[0]!, 0);
  const data = new Float32Array(parts.reduce((sum, part) => sum + part.data.length, 0));
  let at = 0;
  for (const part of parts) {
    data.set(floats(part), at);
    at += part.data.length;
  }
  return float32([count, ...parts[0]!.shape.slice(1)], data);
}

/** Number of elements of a shape; 1 for a scalar. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

/** A new typed array for `dtype` over `buffer`. */
export function arrayOver(dtype: HostDataType, buffer: ArrayBuffer): HostTensor['data'] {
  return new arrays[dtype](buffer);
}

/** The name of a `TF_DataType` number; throws on one that we never create. */
export function dataTypeName(code: number): DataTypeName {
  for (const [name, value] of Object.entries(DataTypeCode)) if (value === code) return name as DataTypeName;
  throw new UserError({
    code: 'unknown-data-type',
    message: `TensorFlow returned a tensor of type ${code}, which is not supported.`,
  });
}

/** Narrows a data type to one that crosses to JavaScript; throws otherwise. */
export function hostDataType(code: number): HostDataType {
  const name = dataTypeName(code);
  if (name === 'float32' || name === 'int32' || name === 'bool') return name;
  throw new TypeError(`A tensor of type ${name} cannot be read from JavaScript.`);
}

function checked(tensor: HostTensor): HostTensor {
  if (!(tensor.data instanceof arrays[tensor.dtype]))
    throw argumentError(`Values of a tensor of ${tensor.dtype} are a ${arrays[tensor.dtype].name}.`);
  if (tensor.data.length !== sizeOf(tensor.shape))
    throw argumentError(
      `Shape [${tensor.shape.join(', ')}] needs ${sizeOf(tensor.shape)} values, found ${tensor.data.length}.`,
    );
  return tensor;
}
