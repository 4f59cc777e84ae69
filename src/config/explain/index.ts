import type { Problem } from '../diagnostics/diagnostic.js';
import type { Keyword, Violation } from '../schema/violations.js';
import type { Tree } from '../source/tree.js';
import { nameOf, type Explainer } from './facts.js';
import { missingKey, notExactlyOne, unknownKey } from './keys.js';
import {
  duplicateItem,
  emptyMap,
  emptyText,
  notASquare,
  outOfRange,
  unknownValue,
  wrongFormat,
  wrongLength,
  wrongType,
} from './values.js';

const nothing: Explainer = () => [];

/** By keyword of the schema. */
const explainers: Readonly<Record<Keyword, Explainer>> = {
  additionalProperties: unknownKey,
  anyOf: wrongType,
  const: nothing,
  enum: unknownValue,
  exactlyOneOf: notExactlyOne,
  exclusiveMaximum: outOfRange,
  exclusiveMinimum: outOfRange,
  maxItems: wrongLength,
  maximum: outOfRange,
  minItems: wrongLength,
  minLength: emptyText,
  minProperties: emptyMap,
  minimum: outOfRange,
  pattern: wrongFormat,
  perfectSquare: notASquare,
  required: missingKey,
  type: wrongType,
  uniqueItems: duplicateItem,
};

/** What a person is told about a violation of the schema; nothing where it only follows from others. */
export const explain = (violation: Violation, root: Tree): Problem[] =>
  explainers[violation.keyword]({ ...violation, root, name: nameOf(violation.path) });
