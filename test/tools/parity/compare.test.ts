import { describe, expect, it } from 'vitest';
import { compare } from '../../../tools/parity/compare.js';

describe('compare', () => {
  it('names the largest difference, its place and what is allowed', () => {
    const expected = { shape: [2, 3], data: Float64Array.of(1, 2, 3, 4, 5, 6) };
    const actual = { shape: [2, 3], data: Float64Array.of(1, 2, 3.25, 4, 5.5, 6) };
    const { passed, difference, text } = compare(actual, expected, { absolute: 0.3 });
    expect(passed).toBe(false);
    expect(difference).toBe(0.5);
    expect(text).toBe('|5.500000 - 5| = 0.500 at [1, 1], allowed 0.300');
    expect(compare(actual, expected, { absolute: 0.5 }).passed).toBe(true);
  });

  it('measures against each number or against the largest', () => {
    expect(compare([1.01, 100], [1, 100], { relative: 0.001 }).passed).toBe(false);
    expect(compare([1.01, 100], [1, 100], { ofLargest: 0.001 }).passed).toBe(true);
    expect(compare([1.01, 100], [1, 100], { ofLargest: 0.00001 }).passed).toBe(false);
  });

  it('takes NaN for wrong and an infinity for itself', () => {
    expect(compare([NaN], [NaN], { absolute: 1 })).toMatchObject({ passed: false, difference: NaN });
    expect(compare([Infinity, 1], [Infinity, 1]).passed).toBe(true);
    expect(compare([Infinity, 1], [-Infinity, 1], { absolute: 1 }).passed).toBe(false);
    expect(compare([1, NaN, 1], [1, 1, 1], { absolute: 9 }).text).toContain('at [1]');
  });

  it('refuses other shapes, also of as many numbers', () => {
    const six = Float32Array.of(1, 2, 3, 4, 5, 6);
    const { passed, text } = compare({ shape: [2, 3], data: six }, { shape: [3, 2], data: six });
    expect(passed).toBe(false);
    expect(text).toBe('shape [2, 3], expected [3, 2]');
    expect(compare([1, 2], [1, 2, 3]).passed).toBe(false);
  });

  it('understands nested arrays, 64-bit integers and single numbers', () => {
    expect(compare([[1, 2], [3]].flat(), BigInt64Array.of(1n, 2n, 3n)).passed).toBe(true);
    expect(
      compare(
        [
          [1, 2],
          [3, 4],
        ],
        { shape: [2, 2], data: [1, 2, 3, 4] },
      ).passed,
    ).toBe(true);
    expect(compare(1, 2, { absolute: 0.5 }).passed).toBe(false);
  });
});

describe('toBeAllclose', () => {
  it('tells where numbers differ', () => {
    expect([1, 2]).toBeAllclose([1, 2.000001]);
    expect(() => {
      expect([1, 2]).toBeAllclose([1, 2.1]);
    }).toThrow('|2 - 2.100000| = 0.100 at [1]');
    expect([1, 2]).not.toBeAllclose([1, 3]);
  });
});
