import { expect } from 'vitest';
import { compare, type Numbers, type Tolerance } from '../../tools/parity/compare.js';

/** Differences of float32 rounding. */
const rounding: Tolerance = { absolute: 1e-6, relative: 1e-5 };

declare module 'vitest' {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any, @typescript-eslint/no-unused-vars
  interface Matchers<T = any> {
    /**
     * Expects numbers (a number, nested or typed arrays, or `{ shape, data }`) to be near others, and tells the
     * largest difference and its place. Without a tolerance: 1e-6 + 1e-5 × the expected number.
     */
    toBeAllclose(expected: Numbers, tolerance?: Tolerance): void;
  }
}

expect.extend({
  toBeAllclose(actual: Numbers, expected: Numbers, tolerance: Tolerance = rounding) {
    const { passed, text } = compare(actual, expected, tolerance);
    return { pass: passed, message: () => `expected numbers ${passed ? 'not ' : ''}to be close: ${text}` };
  },
});
