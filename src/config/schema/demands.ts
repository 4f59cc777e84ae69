import { isDeepStrictEqual } from 'node:util';
import type { Schema } from './schema.js';

const isMap = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isNumber = (value: unknown): value is number => Number.isFinite(value);

const types: Readonly<Record<string, (value: unknown) => boolean>> = {
  string: (value) => typeof value === 'string',
  number: isNumber,
  integer: Number.isInteger,
  boolean: (value) => typeof value === 'boolean',
  object: isMap,
  array: Array.isArray,
};

type Demands = {
  readonly [Keyword in keyof Schema]?: (value: unknown, demanded: NonNullable<Schema[Keyword]>) => boolean;
};

/** By keyword, whether a value as a whole meets what it demands. What is demanded of one type is met by values of others. */
export const demands = {
  type: (value, type) => [type].flat().some((each) => types[each]!(value)),
  enum: (value, values) => values.some((each) => isDeepStrictEqual(each, value)),
  const: (value, only) => isDeepStrictEqual(only, value),
  minimum: (value, limit) => !isNumber(value) || value >= limit,
  maximum: (value, limit) => !isNumber(value) || value <= limit,
  exclusiveMinimum: (value, limit) => !isNumber(value) || value > limit,
  exclusiveMaximum: (value, limit) => !isNumber(value) || value < limit,
  perfectSquare: (value) => !Number.isInteger(value) || Number.isInteger(Math.sqrt(value as number)),
  minLength: (value, limit) => typeof value !== 'string' || Array.from(value).length >= limit,
  pattern: (value, pattern) => typeof value !== 'string' || new RegExp(pattern, 'u').test(value),
  minItems: (value, limit) => !Array.isArray(value) || value.length >= limit,
  maxItems: (value, limit) => !Array.isArray(value) || value.length <= limit,
  minProperties: (value, limit) => !isMap(value) || Object.keys(value).length >= limit,
  exactlyOneOf: (value, groups) => {
    if (!isMap(value)) return true;
    const present = groups.map((keys) => keys.filter((key) => Object.hasOwn(value, key)).length);
    return groups.some(
      ({ length }, i) => present[i] === length && present.every((count, j) => j === i || count === 0),
    );
  },
} satisfies Demands;
