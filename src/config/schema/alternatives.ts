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

/** Of the alternatives the one that takes values of this type; one for lists of maps before one for any list. */
export function alternative(alternatives: readonly Schema[], value: unknown): Schema | undefined {
  const fitting = alternatives.filter((each) => fits(value, shapeOf(each)));
  return fitting.find((each) => shapeOf(each) === 'list of maps') ?? fitting[0];
}

/** Types of the values that alternatives take, in words. */
export const typesOf = (alternatives: readonly Schema[]): string[] =>
  alternatives.map((each) => words[shapeOf(each)]);

/** The schema that a value is to be judged by: an alternative of `anyOf`, the kind that `uses` names, or itself. */
export function applicable(schema: Schema, value: unknown): Schema {
  if (schema.anyOf) return alternative(schema.anyOf, value) ?? schema;
  const chosen = schema.allOf?.find((conditional) => conditional.if && meets(value, conditional.if));
  return chosen?.then ?? schema;
}

/** Whether a value meets the condition of an `if`. */
export function meets(value: unknown, { required = [], properties = {}, not }: Schema): boolean {
  if (!isMap(value)) return false;
  const map = value as Record<string, unknown>;
  return (
    required.every((key) => Object.hasOwn(map, key)) &&
    Object.entries(properties).every(([key, { const: expected }]) => map[key] === expected) &&
    (not === undefined || !meets(value, not))
  );
}
