/** Arrays that hold a tensor's elements. Half-precision types are held as their bit patterns. */
export type TypedArray =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array
  | BigInt64Array
  | BigUint64Array;

/** Makes an array of elements that starts at the beginning of a buffer and fills it. */
export type TypedArrayConstructor = (new (buffer: ArrayBuffer) => TypedArray) & { readonly name: string };

/** The bytes of an array, without copying. */
export function bytesOf(array: TypedArray): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

/** How many elements a shape has; 1 for a scalar's. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
