import { sizeOf } from '../tensorflow/data-types.js';

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

/** Number of elements of a shape; 1 for a scalar. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

const float32 = new Float32Array(1);
const bits32 = new Uint32Array(float32.buffer);

/** Every half-precision bit pattern as a number: 256 KiB, made on first use. */
let halves: Float32Array | undefined;

/**
 * IEEE 754 half-precision bit patterns as single-precision numbers. Exact.
 *
 * @param source bit patterns.
 * @param out receives the numbers; made when absent. At least as long as `source`.
 */
export function decodeFloat16(
  source: Uint16Array,
  out: Float32Array = new Float32Array(source.length),
): Float32Array {
  halves ??= Float32Array.from({ length: 0x10000 }, (_, bits) => halfToNumber(bits));
  for (let i = 0; i < source.length; i++) out[i] = halves[source[i]!]!;
  return out;
}

/**
 * Single-precision numbers as half-precision bit patterns, rounded to nearest, ties to even.
 * Magnitudes of 65520 and more become infinities; those of at most 2⁻²⁵ become zeros.
 */
export function encodeFloat16(
  source: Float32Array,
  out: Uint16Array = new Uint16Array(source.length),
): Uint16Array {
  const sourceBits = new Uint32Array(source.buffer, source.byteOffset, source.length);
  for (let i = 0; i < source.length; i++) out[i] = halfBits(sourceBits[i]!);
  return out;
}

/** bfloat16 bit patterns as single-precision numbers. Exact. */
export function decodeBfloat16(
  source: Uint16Array,
  out: Float32Array = new Float32Array(source.length),
): Float32Array {
  const outBits = new Uint32Array(out.buffer, out.byteOffset, out.length);
  for (let i = 0; i < source.length; i++) outBits[i] = source[i]! << 16;
  return out;
}

/** Single-precision numbers as bfloat16 bit patterns, rounded to nearest, ties to even. */
export function encodeBfloat16(
  source: Float32Array,
  out: Uint16Array = new Uint16Array(source.length),
): Uint16Array {
  const sourceBits = new Uint32Array(source.buffer, source.byteOffset, source.length);
  for (let i = 0; i < source.length; i++) {
    const bits = sourceBits[i]!;
    const isNaN = (bits & 0x7fffffff) > 0x7f800000;
    out[i] = isNaN ? (bits >>> 16) | 0x40 : (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
  }
  return out;
}

function halfToNumber(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >>> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function halfBits(single: number): number {
  const sign = (single >>> 16) & 0x8000;
  const magnitude = single & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude < 0x38800000) return sign | subnormalHalf(magnitude);
  const rebased = magnitude - 0x38000000;
  return sign | ((rebased + 0xfff + ((rebased >>> 13) & 1)) >>> 13);
}

/** Halves below 2⁻¹⁴ are multiples of 2⁻²⁴: adding 0.5, whose last place that is, rounds to one. */
function subnormalHalf(magnitude: number): number {
  bits32[0] = magnitude;
  float32[0] = float32[0]! + 0.5;
  return bits32[0] - 0x3f000000;
}

/** A copy of `values`, of shape `shape`, with its axes in the order `order`. */
export function permute(
  values: Float32Array,
  shape: readonly number[],
  order: readonly number[],
): Float32Array {
  if (order.every((axis, i) => axis === i)) return values.slice();
  const strides = shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
  const extents = order.map((axis) => shape[axis]!);
  const steps = order.map((axis) => strides[axis]!);
  const result = new Float32Array(values.length);
  const index = new Array<number>(order.length).fill(0);
  let from = 0;
  for (let to = 0; to < result.length; to++) {
    result[to] = values[from]!;
    for (let axis = order.length - 1; axis >= 0; axis--) {
      from += steps[axis]!;
      if (++index[axis]! < extents[axis]!) break;
      from -= steps[axis]! * extents[axis]!;
      index[axis] = 0;
    }
  }
  return result;
}
