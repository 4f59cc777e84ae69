import { describe, expect, it } from 'vitest';
import {
  decodeBfloat16,
  decodeFloat16,
  encodeBfloat16,
  encodeFloat16,
} from '../../src/formats/typed-arrays.js';

const everyPattern = Uint16Array.from({ length: 0x10000 }, (_, i) => i);
const isNaNPattern = (bits: number, exponent: number) => (bits & 0x7fff) > exponent;

describe('float16', () => {
  it.each([
    [0x3c00, 1],
    [0xc000, -2],
    [0x3555, 0.333251953125],
    [0x7bff, 65504],
    [0x0001, 2 ** -24],
    [0x0400, 2 ** -14],
    [0x7c00, Infinity],
    [0xfc00, -Infinity],
  ])('reads %i as %d', (bits, value) => {
    expect(decodeFloat16(Uint16Array.of(bits))[0]).toBe(value);
  });

  it.each([
    [65519.996, 0x7bff],
    [65520, 0x7c00],
    [-1e9, 0xfc00],
    [2 ** -25, 0],
    [2 ** -25 * 1.0001, 1],
    [1 + 2 ** -11, 0x3c00],
    [1 + 3 * 2 ** -11, 0x3c02],
    [-0, 0x8000],
    [NaN, 0x7e00],
    [2 ** -14 - 2 ** -26, 0x0400],
  ])('writes %d as %i', (value, bits) => {
    expect(encodeFloat16(Float32Array.of(value))[0]).toBe(bits);
  });

  it('writes back every pattern that it reads', () => {
    const back = encodeFloat16(decodeFloat16(everyPattern));
    expect(back.every((bits, i) => bits === i || isNaNPattern(i, 0x7c00))).toBe(true);
  });

  it('writes the nearer of the two neighbours', () => {
    const values = Float32Array.from({ length: 20_000 }, (_, i) => Math.sin(i) * 10 ** ((i % 13) - 8));
    const rounded = decodeFloat16(encodeFloat16(values));
    const neighbours = decodeFloat16(everyPattern.filter((bits) => !isNaNPattern(bits, 0x7c00))).sort();
    const nearest = (value: number) => {
      let [low, high] = [0, neighbours.length - 1];
      while (high - low > 1) {
        const middle = (low + high) >> 1;
        if (neighbours[middle]! <= value) low = middle;
        else high = middle;
      }
      return Math.min(Math.abs(value - neighbours[low]!), Math.abs(value - neighbours[high]!));
    };
    expect(values.every((value, i) => Math.abs(value - rounded[i]!) === nearest(value))).toBe(true);
  });
});

describe('bfloat16', () => {
  it.each([
    [1, 0x3f80],
    [1 + 2 ** -8, 0x3f80],
    [1 + 3 * 2 ** -8, 0x3f82],
    [3.4e38, 0x7f80],
    [-Infinity, 0xff80],
  ])('writes %d as %i', (value, bits) => {
    expect(encodeBfloat16(Float32Array.of(value))[0]).toBe(bits);
  });

  it('writes back every pattern that it reads', () => {
    const back = encodeBfloat16(decodeBfloat16(everyPattern));
    expect(back.every((bits, i) => bits === i || isNaNPattern(i, 0x7f80))).toBe(true);
    expect(decodeBfloat16(Uint16Array.of(0x7f81))[0]).toBeNaN();
  });
});
