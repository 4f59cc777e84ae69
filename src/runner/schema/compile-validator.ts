import { _, Ajv, type CodeKeywordDefinition, type KeywordCxt } from 'ajv';
import { and, not, or } from 'ajv/dist/compile/codegen/index.js';
import standalone from 'ajv/dist/standalone/index.js';
import { isMap } from '../../base/is-map.js';
import { decided, type Schema, type Validator } from './schema.js';

const annotations = [
  'unit',
  'patternHint',
  'stageRef',
  'isPath',
  'mayBeAddress',
  'mayBePath',
  'presets',
  'affectsOutput',
  'absentMeans',
  'orElse',
];

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

/** Characters of JSON from which a part is worth a function of its own. */
const worthHoisting = 400;

/** Keywords whose values are schemas by name. */
const namesSchemas = new Set(['properties']);
/** Keywords whose values are schemas, or lists of them. */
const holdsSchemas = new Set(['items', 'additionalProperties', 'propertyNames', 'then', 'else', 'allOf']);

/** A schema that refers to parts of it by name. */
export interface Hoisted {
  readonly schema: object;
  readonly parts: ReadonlyMap<string, object>;
}

/**
 * The same schema with its larger parts apart, each once. Ajv makes a function of each: the program is a fraction as
 * long, and what a file does not use is never compiled.
 */
export function hoisted(schema: object): Hoisted {
  const names = new Map<string, string>();
  const parts = new Map<string, object>();

  const part = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(part);
    if (!isMap(value)) return value;
    const inner = within(value);
    const text = JSON.stringify(inner);
    if (text.length < worthHoisting) return inner;
    let name = names.get(text);
    if (name === undefined) {
      name = `part${names.size}`;
      names.set(text, name);
      parts.set(name, inner);
    }
    const { description } = inner;
    return { $ref: name, ...(description !== undefined && { description }) };
  };
  const within = (value: Readonly<Record<string, unknown>>): Record<string, unknown> =>
    Object.fromEntries(
      Object.entries(value).map(([keyword, each]) => {
        if (namesSchemas.has(keyword) && isMap(each))
          return [keyword, Object.fromEntries(Object.entries(each).map(([key, own]) => [key, part(own)]))];
        return [keyword, holdsSchemas.has(keyword) ? part(each) : each];
      }),
    );
  return { schema: within(schema as Readonly<Record<string, unknown>>), parts };
}
