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
export function violations(schema: Schema, value: unknown): readonly Violation[] {
  const found: Violation[] = [];
  collect({ schema, value, path: [], orElse: [] }, found);
  return found;
}

/** A value and what it is judged by. */
type At = Omit<Violation, 'keyword' | 'key' | 'twins'>;
type ValueMap = Readonly<Record<string, unknown>>;

/** Maps and lists by which nothing was found to be wrong: points of a sweep share most of theirs. */
const sound = new WeakMap<Schema, WeakSet<object>>();

function collect(at: At, found: Violation[]): void {
  const { schema, value } = at;
  if (typeof value !== 'object' || value === null) {
    collectDemands(at, found);
    return;
  }
  const soundHere = sound.get(schema) ?? new WeakSet();
  if (soundHere.has(value)) return;
  const before = found.length;
  collectDemands(at, found);
  if (Array.isArray(value)) collectOfList(value, at, found);
  else collectOfMap(value as ValueMap, at, found);
  if (found.length === before) sound.set(schema, soundHere.add(value));
}

/** What the value as a whole does not meet, itself or by a schema that the first one leads to. */
function collectDemands(at: At, found: Violation[]): void {
  const { schema, value } = at;
  for (const name in schema) {
    if (!Object.hasOwn(demands, name)) continue;
    const keyword = name as keyof typeof demands;
    const isMet = demands[keyword] as (value: unknown, demanded: unknown) => boolean;
    if (!isMet(value, schema[keyword])) found.push({ keyword, ...at });
  }
  const { anyOf, allOf = [] } = schema;
  if (anyOf) {
    const chosen = alternative(anyOf, value);
    const others = typesOf(anyOf.filter((each) => each !== chosen));
    if (chosen) collect({ ...at, schema: chosen, orElse: others }, found);
    else found.push({ keyword: 'anyOf', ...at, orElse: others });
  }
  for (const part of allOf) {
    if (part.if === undefined) collect({ ...at, schema: part }, found);
    else if (part.then && meets(value, part.if)) collect({ ...at, schema: part.then }, found);
  }
}

function collectOfList(list: readonly unknown[], at: At, found: Violation[]): void {
  const { items, uniqueItems } = at.schema;
  for (const twins of uniqueItems === true ? equalItems(list) : [])
    found.push({ keyword: 'uniqueItems', ...at, twins });
  for (const [i, item] of list.entries()) {
    const schema = Array.isArray(items) ? (items as readonly Schema[])[i] : (items as Schema | undefined);
    if (schema) collect({ schema, value: item, path: [...at.path, String(i)], orElse: [] }, found);
  }
}

function collectOfMap(map: ValueMap, at: At, found: Violation[]): void {
  const { properties = {}, required = [], additionalProperties: others, propertyNames } = at.schema;
  for (const key of required) if (!Object.hasOwn(map, key)) found.push({ keyword: 'required', ...at, key });
  for (const [key, item] of Object.entries(map)) {
    for (const { keyword, schema } of propertyNames ? violations(propertyNames, key) : [])
      found.push({ ...at, keyword, schema, key });
    const schema = Object.hasOwn(properties, key) ? properties[key] : others;
    if (schema === false) found.push({ keyword: 'additionalProperties', ...at, key });
    if (typeof schema === 'object')
      collect({ schema, value: item, path: [...at.path, key], orElse: [] }, found);
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
