import { Ajv, type ErrorObject, type FuncKeywordDefinition, type ValidateFunction } from 'ajv';
import { decided } from './alternatives.js';
import type { Schema } from './schema.js';

/** What a value gets wrong, as the validator tells it; `parentSchema` and `data` are always there. */
export type SchemaError = ErrorObject;

const annotations = ['unit', 'patternHint', 'stageRef', 'isPath', 'presets', 'affectsOutput', 'orElse'];

const perfectSquare: FuncKeywordDefinition = {
  keyword: 'perfectSquare',
  type: 'number',
  schemaType: 'boolean',
  validate: (_: true, value: number) => Number.isInteger(Math.sqrt(value)) || !Number.isInteger(value),
};

/** Takes no value: what is left when none of the alternatives has the value's type. */
const shapes: FuncKeywordDefinition = { keyword: 'shapes', schemaType: 'array', validate: () => false };

const exactlyOneOf: FuncKeywordDefinition = {
  keyword: 'exactlyOneOf',
  type: 'object',
  schemaType: 'array',
  validate: (groups: readonly (readonly string[])[], value: object) => {
    const present = groups.map((group) => group.filter((key) => Object.hasOwn(value, key)));
    const begun = present.filter((keys) => keys.length > 0);
    return begun.length === 1 && groups.some((group, i) => present[i]!.length === group.length);
  },
};

/** Prepares a check that finds everything wrong with a value. */
export function validator(schema: Schema): (value: unknown) => readonly SchemaError[] {
  const ajv = new Ajv({
    allErrors: true,
    verbose: true,
    ownProperties: true,
    strict: false,
    strictNumbers: true,
    validateSchema: false,
    meta: false,
    code: { optimize: false },
  });
  for (const keyword of annotations) ajv.addKeyword(keyword);
  for (const definition of [perfectSquare, shapes, exactlyOneOf]) ajv.addKeyword(definition);
  const validate: ValidateFunction = ajv.compile(decided(schema));
  return (value) => (validate(value) ? [] : (validate.errors ?? []));
}
