import type { Problem } from '../diagnostics/diagnostic.js';
import type { Schema } from '../schema/schema.js';
import type { SchemaError } from '../schema/schema.js';
import type { Tree } from '../source/tree.js';
import { nameOf, pathOf, type Explainer } from './facts.js';
import { missingKey, notExactlyOne, unknownKey } from './keys.js';
import {
  duplicateItem,
  emptyMap,
  emptyText,
  notASquare,
  outOfRange,
  reservedName,
  tooLong,
  unknownValue,
  wrongFormat,
  wrongLength,
  wrongType,
} from './values.js';

const nothing: Explainer = () => [];

/** By keyword of the schema. Those without an explanation only follow from errors that have one. */
const explainers: Readonly<Record<string, Explainer>> = {
  additionalItems: nothing,
  additionalProperties: unknownKey,
  const: nothing,
  enum: unknownValue,
  exactlyOneOf: notExactlyOne,
  exclusiveMaximum: outOfRange,
  exclusiveMinimum: outOfRange,
  if: nothing,
  maxItems: wrongLength,
  maximum: outOfRange,
  minItems: wrongLength,
  maxLength: tooLong,
  minLength: emptyText,
  minProperties: emptyMap,
  minimum: outOfRange,
  not: reservedName,
  pattern: wrongFormat,
  perfectSquare: notASquare,
  propertyNames: nothing,
  required: missingKey,
  shapes: wrongType,
  type: wrongType,
  uniqueItems: duplicateItem,
};

/** What a person is told about an error of the validator; nothing for one that only follows from others. */
export function explain(error: SchemaError, root: Tree): Problem[] {
  const explainer = explainers[error.keyword];
  if (!explainer) throw new Error(`The schema keyword "${error.keyword}" has no explanation.`);
  const path = pathOf(error.instancePath);
  return explainer({ error, path, root, schema: error.parentSchema as Schema, name: nameOf(path) });
}
