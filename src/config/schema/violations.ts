import { isDeepStrictEqual } from 'node:util';
import { alternative, meets, typesOf } from './alternatives.js';
import { demands } from './demands.js';
import type { Schema } from './schema.js';

/** Of a schema, what a value may violate: `anyOf` where no alternative takes values of this type. */
export type Keyword = keyof typeof demands | 'anyOf' | 'required' | 'additionalProperties' | 'uniqueItems';

/** A demand of a schema that a value does not meet. */
export interface Violation {
  readonly keyword: Keyword;
  /** The schema that has the keyword. */
  readonly schema: Schema;
  /** Keys from the root to the value. */
  readonly path: readonly string[];
  readonly value: unknown;
  /** The key of the value that is missing, unknown, or not a name that the schema allows. */
  readonly key?: string;
  /** Indices of an item and of an earlier one that is equal. */
  readonly twins?: readonly [earlier: number, later: number];
  /** Other types that the value may have, in words. */
  readonly orElse: readonly string[];
}

/**
 * Everything that is wrong with a value by a schema; of alternatives only the one that was meant is reported on. The
 * schema is read on the way: a program that checks one file would spend most of its time on compiling it, as ajv does,
 * which the tests compare with this.
 */
export function* violations(
  schema: Schema,
  value: unknown,
  path: readonly string[] = [],
  orElse: readonly string[] = [],
): Generator<Violation> {
  const at = { schema, path, value, orElse };
  const { anyOf, allOf = [] } = schema;
  for (const keyword of Object.keys(demands) as (keyof typeof demands)[]) {
    const meetsDemand = demands[keyword] as (value: unknown, demanded: unknown) => boolean;
    if (Object.hasOwn(schema, keyword) && !meetsDemand(value, schema[keyword])) yield { keyword, ...at };
  }
  if (anyOf) {
    const chosen = alternative(anyOf, value);
    if (chosen) yield* violations(chosen, value, path, typesOf(anyOf.filter((each) => each !== chosen)));
    else yield { keyword: 'anyOf', ...at, orElse: typesOf(anyOf) };
  }
  for (const part of allOf) {
    if (part.if === undefined) yield* violations(part, value, path, orElse);
    else if (part.then && meets(value, part.if)) yield* violations(part.then, value, path, orElse);
  }
  if (Array.isArray(value)) yield* ofList(value, at);
  else if (typeof value === 'object' && value !== null) yield* ofMap(value as ValueMap, at);
}

type At = Omit<Violation, 'keyword' | 'key' | 'twins'>;
type ValueMap = Readonly<Record<string, unknown>>;

function* ofList(list: readonly unknown[], at: At): Generator<Violation> {
  const { items, uniqueItems } = at.schema;
  for (const twins of uniqueItems === true ? equalItems(list) : [])
    yield { keyword: 'uniqueItems', ...at, twins };
  for (const [i, item] of list.entries()) {
    const schema = Array.isArray(items) ? (items as readonly Schema[])[i] : (items as Schema | undefined);
    if (schema) yield* violations(schema, item, [...at.path, String(i)]);
  }
}

function* ofMap(map: ValueMap, at: At): Generator<Violation> {
  const { properties = {}, required = [], additionalProperties: others, propertyNames } = at.schema;
  for (const key of required) if (!Object.hasOwn(map, key)) yield { keyword: 'required', ...at, key };
  for (const [key, item] of Object.entries(map)) {
    for (const { keyword, schema } of propertyNames ? violations(propertyNames, key) : [])
      yield { ...at, keyword, schema, key };
    const schema = Object.hasOwn(properties, key) ? properties[key] : others;
    if (schema === false) yield { keyword: 'additionalProperties', ...at, key };
    if (typeof schema === 'object') yield* violations(schema, item, [...at.path, key]);
  }
}

/** Each item that equals an earlier one, with the first such. */
function* equalItems(list: readonly unknown[]): Generator<[earlier: number, later: number]> {
  const first = new Map<unknown, number>();
  for (const [later, item] of list.entries()) {
    const same =
      typeof item === 'object' ? [...first.keys()].find((other) => isDeepStrictEqual(other, item)) : item;
    const earlier = first.get(same);
    if (earlier === undefined) first.set(item, later);
    else yield [earlier, later];
  }
}
