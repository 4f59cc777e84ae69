import { Ajv, type CodeKeywordDefinition, type KeywordCxt, _ } from 'ajv';
import { and, not, or } from 'ajv/dist/compile/codegen/index.js';
import standalone from 'ajv/dist/standalone/index.js';
import { decided } from './alternatives.js';
import { hoisted } from './hoisted.js';
import type { Schema, Validator } from './schema.js';

const annotations = ['unit', 'patternHint', 'stageRef', 'isPath', 'presets', 'affectsOutput', 'orElse'];

const keywords: readonly CodeKeywordDefinition[] = [
  {
    keyword: 'perfectSquare',
    type: 'number',
    schemaType: 'boolean',
    code: (context) => {
      const isInteger = (value: unknown) => _`Number.isInteger(${value as KeywordCxt['data']})`;
      context.fail(and(isInteger(context.data), not(isInteger(_`Math.sqrt(${context.data})`))));
    },
  },
  {
    keyword: 'exactlyOneOf',
    type: 'object',
    schemaType: 'array',
    code: (context) => {
      const groups = context.schema as readonly (readonly string[])[];
      const has = (key: string) => _`Object.hasOwn(${context.data}, ${key})`;
      const onlyWhole = (group: readonly string[]) => {
        const others = groups.filter((other) => other !== group).flat();
        return and(...group.map(has), ...others.map((key) => not(has(key))));
      };
      context.fail(not(or(...groups.map(onlyWhole))));
    },
  },
  // Takes no value: what is left when none of the alternatives has the value's type.
  {
    keyword: 'shapes',
    schemaType: 'array',
    code: (context) => {
      context.fail(_`true`);
    },
  },
];

/** Compiles a check of values by a schema. */
export function compileValidator(schema: Schema): Validator {
  return newAjv(false).compile(decided(schema)) as Validator;
}

/** The program of that check, a CommonJS module: loading it takes a small part of the time that compiling does. */
export function validatorProgram(schema: Schema): string {
  const ajv = newAjv(2);
  const { schema: root, parts } = hoisted(decided(schema));
  for (const [name, part] of parts) ajv.addSchema(part, name);
  return standalone.default(ajv, ajv.compile(root));
}

function newAjv(optimize: number | false): Ajv {
  const ajv = new Ajv({
    allErrors: true,
    verbose: true,
    ownProperties: true,
    strict: false,
    inlineRefs: false,
    strictNumbers: true,
    validateSchema: false,
    meta: false,
    code: { optimize, source: true },
  });
  for (const keyword of annotations) ajv.addKeyword(keyword);
  for (const definition of keywords) ajv.addKeyword(definition);
  return ajv;
}
