import type { Schema } from './schema.js';

/**
 * The alternatives of an `anyOf` in our schemas differ in the type of value they take, or, among lists, in
 * whether their items are maps. So the value decides which one is meant, and only that one is reported on.
 */
type Shape = 'text' | 'number' | 'boolean' | 'map' | 'list of maps' | 'list';

const words: Readonly<Record<Shape, string>> = {
  text: 'text',
  number: 'a number',
  boolean: 'true, false',
  map: 'a map',
  'list of maps': 'a list of maps',
  list: 'a list',
};

const tests: Readonly<Record<Shape, object>> = {
  text: { type: 'string' },
  number: { type: 'number' },
  boolean: { type: 'boolean' },
  map: { type: 'object' },
  'list of maps': { type: 'array', contains: { type: 'object' } },
  list: { type: 'array' },
};

function shapeOf({ type, items }: Schema): Shape {
  if (type === 'string') return 'text';
  if (type === 'integer' || type === 'number') return 'number';
  if (type === 'boolean') return 'boolean';
  if (type === 'object') return 'map';
  if (type === 'array') return items && 'type' in items && items.type === 'object' ? 'list of maps' : 'list';
  throw new Error(`An alternative of a schema must have one type; found ${JSON.stringify(type)}.`);
}

const isMap = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function fits(value: unknown, shape: Shape): boolean {
  switch (shape) {
    case 'text':
      return typeof value === 'string';
    case 'number':
    case 'boolean':
      return typeof value === shape;
    case 'map':
      return isMap(value);
    case 'list of maps':
      return Array.isArray(value) && value.some(isMap);
    case 'list':
      return Array.isArray(value);
  }
}

/** Alternatives with those first that the test of another would also take. */
const ordered = (alternatives: readonly Schema[]): Schema[] =>
  [...alternatives].sort(
    (a, b) => Number(shapeOf(b) === 'list of maps') - Number(shapeOf(a) === 'list of maps'),
  );

/** The schema that a value is to be judged by: an alternative of `anyOf`, the kind that `uses` names, or itself. */
export function applicable(schema: Schema, value: unknown): Schema {
  if (schema.anyOf) {
    return ordered(schema.anyOf).find((alternative) => fits(value, shapeOf(alternative))) ?? schema;
  }
  const chosen = schema.allOf?.find((conditional) => conditional.if && meets(value, conditional.if));
  return chosen?.then ?? schema;
}

function meets(value: unknown, { required = [], properties = {}, not }: Schema): boolean {
  if (!isMap(value)) return false;
  const map = value as Record<string, unknown>;
  return (
    required.every((key) => Object.hasOwn(map, key)) &&
    Object.entries(properties).every(([key, { const: expected }]) => map[key] === expected) &&
    (not === undefined || !meets(value, not))
  );
}

/**
 * The same schema for a validator: every `anyOf` becomes a chain of if, then and else on the type of the value,
 * so that errors come from the alternative that was meant. `orElse` holds the others in words.
 */
export function decided(schema: Schema): object {
  if (!schema.anyOf) {
    return Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, decidedPart(value)]));
  }
  const { anyOf, ...rest } = schema;
  const shapes = anyOf.map(shapeOf);
  if (new Set(shapes).size < shapes.length)
    throw new Error(
      `Two alternatives of a schema take ${shapes.map((shape) => words[shape]).join(', ')}: of the same type only the first would ever be meant. Make them one.`,
    );
  const chain = ordered(anyOf).reduceRight<object>(
    (otherwise, alternative) => {
      const shape = shapeOf(alternative);
      const orElse = shapes.filter((other) => other !== shape).map((other) => words[other]);
      return { if: tests[shape], then: { ...decided(alternative), orElse }, else: otherwise };
    },
    { shapes: shapes.map((shape) => words[shape]) },
  );
  return { ...rest, ...chain };
}

function decidedPart(part: unknown): unknown {
  if (Array.isArray(part)) return part.map(decidedPart);
  return isMap(part) ? decided(part as Schema) : part;
}

/** The schema of a member of a map or list; nothing where the schema says nothing about it. */
export function memberSchema(schema: Schema, key: string, inList: boolean): Schema | undefined {
  if (inList) {
    const { items } = schema;
    return Array.isArray(items) ? (items as readonly Schema[])[Number(key)] : (items as Schema | undefined);
  }
  const { properties, additionalProperties: others } = schema;
  if (properties && Object.hasOwn(properties, key)) return properties[key];
  return typeof others === 'object' ? others : undefined;
}
