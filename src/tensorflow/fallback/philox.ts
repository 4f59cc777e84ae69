/**
 * The Philox generator in JavaScript, with the numbers that TensorFlow's stateless operations give for the same key
 * and counter.
 *
 * Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (2011), Philox-4x32-10; TensorFlow's
 * `random_distributions.h` for how words become floats.
 */

const rounds = 10;
const multiplier0 = 0xd2511f53;
const multiplier1 = 0xcd9e8d57;
const weyl0 = 0x9e3779b9;
const weyl1 = 0xbb67ae85;

/** Numbers of one counter. */
export const wordsPerCount = 4;

/** High 32 bits of the product of two 32-bit integers. */
function high(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  // Below 2³³: sums of these stay exact.
  const carry = (middle % 0x10000) + aLow * bHigh;
  return (aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(carry / 0x10000)) >>> 0;
}

/**
 * Writes the words of `counts` counters in a row, the first of which is `first`, to `words`.
 *
 * @param first the low 64 bits of the counter; the high ones are 0
 * @param words four 32-bit integers a counter
 */
export function philoxWords(
  key: readonly [number, number],
  first: bigint,
  counts: number,
  words: Uint32Array,
): void {
  for (let i = 0; i < counts; i++) {
    const position = first + BigInt(i);
    let c0 = Number(position & 0xffffffffn);
    let c1 = Number((position >> 32n) & 0xffffffffn);
    let c2 = 0;
    let c3 = 0;
    let k0 = key[0] >>> 0;
    let k1 = key[1] >>> 0;
    for (let round = 0; round < rounds; round++) {
      const high0 = high(multiplier0, c0);
      const low0 = Math.imul(multiplier0, c0) >>> 0;
      const high1 = high(multiplier1, c2);
      const low1 = Math.imul(multiplier1, c2) >>> 0;
      c0 = (high1 ^ c1 ^ k0) >>> 0;
      c1 = low1;
      c2 = (high0 ^ c3 ^ k1) >>> 0;
      c3 = low0;
      k0 = (k0 + weyl0) >>> 0;
      k1 = (k1 + weyl1) >>> 0;
    }
    words.set([c0, c1, c2, c3], i * wordsPerCount);
  }
}

/** Words to floats in [0, 1): the low 23 bits become the mantissa of a number in [1, 2), less 1. */
export function uniformNumbers(words: Uint32Array): Float32Array {
  return Float32Array.from(words, (word) => (word & 0x7fffff) / 2 ** 23);
}

/** Smallest number whose logarithm is taken. */
export const smallest = 1e-7;

/** Words to standard normal numbers, two at a time, by the Box–Muller transform. */
export function normalNumbers(words: Uint32Array): Float32Array {
  const numbers = uniformNumbers(words);
  for (let i = 0; i + 1 < numbers.length; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(Math.max(numbers[i]!, smallest)));
    const angle = 2 * Math.PI * numbers[i + 1]!;
    numbers[i] = radius * Math.sin(angle);
    numbers[i + 1] = radius * Math.cos(angle);
  }
  return numbers;
}
