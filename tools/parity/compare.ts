/** Numbers with a shape: a host tensor, a tensor of a file, or anything like them. */
interface ShapedNumbers {
  readonly shape: readonly number[];
  readonly data: List<number | bigint>;
}

type List<T> = ArrayLike<T> & Iterable<T>;

/** Numbers to compare: a number, an array (nested or typed), or numbers with a shape. */
export type Numbers = number | List<number | bigint> | readonly Numbers[] | ShapedNumbers;

/** Allowed difference of a number from what is expected: the sum of what is given, 0 if nothing is. */
export interface Tolerance {
  readonly absolute?: number;
  /** Times the magnitude of the expected number. */
  readonly relative?: number;
  /** Times the largest magnitude among the expected numbers. */
  readonly ofLargest?: number;
}

export interface Comparison {
  readonly passed: boolean;
  /** Largest absolute difference; NaN where a number is NaN or the shapes differ. */
  readonly difference: number;
  /** Description of what is wrong, or of the largest difference: `|1.25 - 1.24| = 0.01 at [0, 3], allowed 0.001`. */
  readonly text: string;
}

/**
 * Compares numbers with what is expected of them. NaN equals nothing; an infinity equals itself.
 * Shapes are compared where both are known, otherwise only the counts.
 */
export function compare(actual: Numbers, expected: Numbers, tolerance: Tolerance = {}): Comparison {
  const found = shaped(actual);
  const wanted = shaped(expected);
  if (found.shape.join() !== wanted.shape.join() || found.data.length !== wanted.data.length)
    return {
      passed: false,
      difference: NaN,
      text: `shape [${found.shape.join(', ')}], expected [${wanted.shape.join(', ')}]`,
    };
  const { absolute = 0, relative = 0, ofLargest = 0 } = tolerance;
  const floor = absolute + (ofLargest === 0 ? 0 : ofLargest * largestMagnitude(wanted.data));
  let worst = { excess: -Infinity, difference: 0, index: 0 };
  let difference = 0;
  for (let index = 0; index < wanted.data.length; index++) {
    const e = wanted.data[index]!;
    const here = found.data[index] === e ? 0 : Math.abs(found.data[index]! - e);
    const allowed = floor + (relative === 0 ? 0 : relative * Math.abs(e));
    const excess = Number.isNaN(here) ? Infinity : here - allowed;
    if (excess > worst.excess || (index > 0 && excess === worst.excess && here > worst.difference))
      worst = { excess, difference: here, index };
    difference = Number.isNaN(here) ? NaN : Math.max(difference, here);
  }
  if (wanted.data.length === 0) return { passed: true, difference: 0, text: 'no numbers' };
  const { index } = worst;
  const allowed = floor + (relative === 0 ? 0 : relative * Math.abs(wanted.data[index]!));
  const place = wanted.shape.length === 0 ? '' : ` at [${coordinates(index, wanted.shape).join(', ')}]`;
  return {
    passed: worst.excess <= 0,
    difference,
    text: `|${short(found.data[index]!)} - ${short(wanted.data[index]!)}| = ${worst.difference.toPrecision(3)}${place}, allowed ${allowed.toPrecision(3)}`,
  };
}

interface Shaped {
  readonly shape: readonly number[];
  readonly data: List<number>;
}

function shaped(numbers: Numbers): Shaped {
  if (typeof numbers === 'number') return { shape: [], data: [numbers] };
  if (Array.isArray(numbers)) {
    const nested = numbers as readonly Numbers[];
    if (nested.some((row) => typeof row === 'object')) {
      const rows = nested.map(shaped);
      return {
        shape: [rows.length, ...rows[0]!.shape],
        data: rows.flatMap((row) => Array.from(row.data)),
      };
    }
  }
  if ('data' in numbers) return { shape: numbers.shape, data: asNumbers(numbers.data) };
  const list = numbers as List<number | bigint>;
  return { shape: [list.length], data: asNumbers(list) };
}

function asNumbers(list: List<number | bigint>): List<number> {
  return typeof list[0] === 'bigint' ? Array.from(list, Number) : (list as List<number>);
}

function largestMagnitude(numbers: Iterable<number>): number {
  let largest = 0;
  for (const number of numbers) largest = Math.max(largest, Math.abs(number));
  return largest;
}

function coordinates(index: number, shape: readonly number[]): number[] {
  const at: number[] = [];
  for (const extent of [...shape].reverse()) {
    at.unshift(index % extent);
    index = Math.floor(index / extent);
  }
  return at;
}

function short(value: number): string {
  return Number.isInteger(value) ? value.toString() : value.toPrecision(7);
}
