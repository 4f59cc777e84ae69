import { readSchema, type Schema } from './schema.js';

/**
 * A schema in one file, for editors: nothing in it refers to another, and only keywords of JSON Schema are in it. What
 * ours say becomes part of the description, which editors show beside a key.
 *
 * @param path relative to the folder of schemas
 */
export function bundledSchema(path: string): Schema {
  const { $schema, ...schema } = readSchema(path) as Schema & { $schema?: string };
  return { $schema, ...(plainSchema(schema) as Schema) } as Schema;
}

/** Keywords of JSON Schema, draft 07, in a schema without references. What is not among them is ours. */
const standard = new Set(
  (
    'title description examples default type enum const multipleOf maximum exclusiveMaximum minimum exclusiveMinimum ' +
    'maxLength minLength pattern format items additionalItems maxItems minItems uniqueItems contains ' +
    'maxProperties minProperties required properties patternProperties additionalProperties propertyNames dependencies ' +
    'allOf anyOf oneOf not if then else'
  ).split(' '),
);

function plainSchema(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(plainSchema);
  if (typeof node !== 'object' || node === null) return node;
  const schema = node as Schema;
  return Object.fromEntries(
    Object.entries(schema)
      .filter(([key]) => standard.has(key))
      .map(([key, value]) => [
        key,
        key === 'description' && typeof value === 'string' ? describe(value, schema) : plainPart(key, value),
      ]),
  );
}

/** Among `properties` names are keys of the file, whatever they are called; examples and defaults are values of it. */
function plainPart(key: string, value: unknown): unknown {
  if (key === 'examples' || key === 'default' || key === 'enum' || key === 'const') return value;
  if (key !== 'properties') return plainSchema(value);
  const properties = Object.entries(value as Readonly<Record<string, unknown>>);
  return Object.fromEntries(properties.map(([name, property]) => [name, plainSchema(property)]));
}

/** A value that fits into a sentence. */
const isPlain = (value: unknown): boolean => ['string', 'number', 'boolean'].includes(typeof value);

function describe(description: string, schema: Schema): string {
  const facts = [
    schema.unit === undefined ? '' : `Unit: ${schema.unit}.`,
    isPlain(schema.default) ? `Default: ${String(schema.default)}.` : '',
    schema.patternHint === undefined ? '' : `Takes ${schema.patternHint}.`,
    schema.stageRef === undefined
      ? ''
      : schema.stageRef === 'any'
        ? 'Names a stage.'
        : `Names a stage of kind ${schema.stageRef.join(' or ')}.`,
    schema.perfectSquare === true && schema.patternHint === undefined ? 'A square number.' : '',
  ];
  return [description, ...facts].filter((fact) => fact !== '').join(' ');
}
