import { writePlainSync } from '../base/files.js';
import { cApi, type Pointer } from './c-api.js';
import { arrayOver, DataTypeCode, hostDataType, type HostTensor, sizeOf } from './data-types.js';

/** Bytes of an in-memory `TF_TString`. */
const stringBytes = 24;

/** A view of int64 values in memory that the garbage collector never moves, as native calls need it. */
export function int64s(values: readonly number[]): BigInt64Array {
  const array = new BigInt64Array(new ArrayBuffer(values.length * 8));
  values.forEach((value, i) => (array[i] = BigInt(value)));
  return array;
}

/** Off-heap memory for `count` pointers. */
export function pointers(values: readonly Pointer[]): BigUint64Array {
  const array = new BigUint64Array(new ArrayBuffer(values.length * 8));
  values.forEach((value, i) => (array[i] = value));
  return array;
}

/** A new `TF_Tensor` with a copy of `bytes`. The caller owns it. */
export function newTensor(dtype: number, shape: readonly number[], bytes: ArrayBufferView): Pointer {
  const c = cApi();
  const tensor = c.AllocateTensor(dtype, int64s(shape), shape.length, bytes.byteLength);
  if (bytes.byteLength > 0) c.memcpy(c.TensorData(tensor), bytes, bytes.byteLength);
  return tensor;
}

/** A new `TF_Tensor` with a copy of a host tensor. The caller owns it. */
export function newHostTensor(tensor: HostTensor): Pointer {
  return newTensor(DataTypeCode[tensor.dtype], tensor.shape, tensor.data);
}

/** A new string `TF_Tensor` with copies of `values`. The caller owns it. */
export function newStringTensor(shape: readonly number[], values: readonly Uint8Array[]): Pointer {
  const c = cApi();
  const { tensor, places } = emptyStrings(shape, values.length);
  for (const [i, at] of places.entries()) c.StringCopy(at, values[i]!, values[i]!.byteLength);
  return tensor;
}

/**
 * A new `TF_Tensor` of one string, whose bytes stay where they are: the caller keeps them until it is deleted. The garbage
 * collector moves only memory that nobody has asked for as an `ArrayBuffer`.
 */
export function newStringView(bytes: Uint8Array): Pointer {
  const { tensor, places } = emptyStrings([], 1);
  cApi().StringAssignView(
    places[0]!,
    new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length),
    bytes.length,
  );
  return tensor;
}

function emptyStrings(shape: readonly number[], count: number) {
  const c = cApi();
  const tensor = c.AllocateTensor(DataTypeCode.string, int64s(shape), shape.length, count * stringBytes);
  const start = c.TensorData(tensor);
  const places = Array.from({ length: count }, (_, i) => start + BigInt(i * stringBytes));
  for (const at of places) c.StringInit(at);
  return { tensor, places };
}

/** A copy of the strings of a string `TF_Tensor`. */
export function readStrings(tensor: Pointer): Uint8Array[] {
  const c = cApi();
  const start = c.TensorData(tensor);
  return Array.from({ length: c.TensorByteSize(tensor) / stringBytes }, (_, i) => {
    const at = start + BigInt(i * stringBytes);
    const bytes = new Uint8Array(c.StringGetSize(at));
    if (bytes.length > 0) c.memcpy(bytes, c.StringGetDataPointer(at), bytes.length);
    return bytes;
  });
}

/** A copy of the bytes of a `TF_Tensor`. */
export function readBytes(tensor: Pointer): ArrayBuffer {
  const c = cApi();
  const buffer = new ArrayBuffer(c.TensorByteSize(tensor));
  if (buffer.byteLength > 0) c.memcpy(new Uint8Array(buffer), c.TensorData(tensor), buffer.byteLength);
  return buffer;
}

/** Dimensions of a `TF_Tensor`. */
export function shapeOf(tensor: Pointer): number[] {
  const c = cApi();
  return Array.from({ length: c.NumDims(tensor) }, (_, i) => c.Dim(tensor, i));
}

/** A copy of a `TF_Tensor` in JavaScript's memory. Throws on types that have no JavaScript array. */
export function readHostTensor(tensor: Pointer): HostTensor {
  const dtype = hostDataType(cApi().TensorType(tensor));
  const shape = shapeOf(tensor);
  const data = arrayOver(dtype, readBytes(tensor));
  if (data.length !== sizeOf(shape)) throw new RangeError('A tensor has another size than its shape says.');
  return { dtype, shape, data };
}

/** A new `TF_Buffer` with a copy of `bytes`. The caller owns it. */
export function newBuffer(bytes: Uint8Array): Pointer {
  return cApi().NewBufferFromString(bytes, bytes.byteLength);
}

/** A copy of a `TF_Buffer`: an address, then a length. */
export function readBuffer(buffer: Pointer): Uint8Array {
  const c = cApi();
  const header = new BigUint64Array(new ArrayBuffer(16));
  c.memcpy(header, buffer, 16);
  const bytes = new Uint8Array(new ArrayBuffer(Number(header[1])));
  if (bytes.length > 0) c.memcpy(bytes, header[0], bytes.length);
  return bytes;
}

/** Bytes that this process has had in memory at most, since it started or `forgetPeakMemory`. Node counts them in KiB. */
export function peakMemoryBytes(): number {
  return process.resourceUsage().maxRSS * 1024;
}

/** File that makes Linux forget a process's peak memory when `5` is written to it. */
const clearFile = '/proc/self/clear_refs';

/** Counts peak memory from now on, where the system lets a process do that; elsewhere it remains that since its start. */
export function forgetPeakMemory(): void {
  try {
    writePlainSync(clearFile, '5');
  } catch {
    // Not Linux, or a container that keeps it from us.
  }
}
