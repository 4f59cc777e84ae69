import { decodeFloat16, encodeFloat16 } from '../../formats/typed-arrays.js';
import type { PlaygroundConfig } from '../../generated/index.js';

export type WeightType = PlaygroundConfig['weightType'];

/** Numbers of a type as whole numbers of so many bytes. */
interface Coding {
  readonly bytes: number;
  readonly encode: (values: Float32Array) => Uint32Array | Uint16Array;
  readonly decode: (codes: Uint32Array) => Float32Array;
}

const bitsOf = ({ buffer, byteOffset, length }: Float32Array) => new Uint32Array(buffer, byteOffset, length);

/** Types of weights in pages, which both the stage and the page know. */
export const weightTypes: Readonly<Record<WeightType, Coding>> = {
  float16: {
    bytes: 2,
    encode: (values) => encodeFloat16(values),
    decode: (codes) => decodeFloat16(Uint16Array.from(codes)),
  },
  // float32 without the last 8 bits of its fraction, rounded to nearest, ties to even: off by at most 2⁻¹⁶ of a number.
  float24: {
    bytes: 3,
    encode: (values) => bitsOf(values).map((bits) => (bits + 0x7f + ((bits >>> 8) & 1)) >>> 8),
    decode: (codes) => new Float32Array(codes.map((code) => code << 8).buffer),
  },
  float32: {
    bytes: 4,
    encode: bitsOf,
    decode: ({ buffer }) => new Float32Array(buffer),
  },
};

/** Bytes of numbers: the lowest of each, then the next of each. Signs and exponents, side by side, compress well. */
export function packWeights(values: Float32Array, type: WeightType): Uint8Array {
  const { bytes, encode } = weightTypes[type];
  const codes = encode(values);
  const packed = new Uint8Array(bytes * codes.length);
  for (let at = 0, shift = 0; at < packed.length; shift += 8)
    for (const code of codes) packed[at++] = code >>> shift;
  return packed;
}

/** Numbers that `packWeights` packed. */
export function unpackWeights(packed: Uint8Array, type: WeightType): Float32Array {
  const { bytes, decode } = weightTypes[type];
  const codes = new Uint32Array(packed.length / bytes);
  for (let at = 0, shift = 0; at < packed.length; shift += 8)
    for (let i = 0; i < codes.length; i++) codes[i]! |= packed[at++]! << shift;
  return decode(codes);
}
