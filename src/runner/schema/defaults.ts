import { applicable, memberSchema, type Schema } from './schema.js';

/**
 * A copy of a value with defaults and presets filled in, keys in the order of the schema. Defaults are in the
 * schema only; what is written wins over a preset, and a preset over a default. A value that a key's absence stands for
 * is left out. The value must be valid: an invalid one may be as deep as its aliases make it.
 */
export function withDefaults(schema: Schema, value: unknown): unknown {
  const chosen = applicable(schema, value);
  if (Array.isArray(value)) {
    return value.map((item, i) => {
      const { items } = chosen;
      const itemSchema = Array.isArray(items)
        ? (items as readonly Schema[])[i]
        : (items as Schema | undefined);
      return withDefaults(itemSchema ?? {}, item);
    });
  }
  if (typeof value !== 'object' || value === null) return value;
  return resolvedMap(chosen, value as Readonly<Record<string, unknown>>);
}

function resolvedMap(schema: Schema, written: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const properties = Object.entries(schema.properties ?? {});
  const presets = properties.map(
    ([key, property]) => property.presets?.[String(written[key] ?? property.default)],
  );
  const given = Object.fromEntries([...presets, written].flatMap((part) => Object.entries(part ?? {})));
  const known = properties.flatMap(([key, property]) => {
    const value = given[key] ?? property.default;
    return value === undefined || value === property.absentMeans
      ? []
      : [[key, withDefaults(property, value)] as const];
  });
  const other = Object.entries(written)
    .filter(([key]) => !Object.hasOwn(schema.properties ?? {}, key))
    .map(([key, value]) => [key, withDefaults(additional(schema), value)] as const);
  return Object.fromEntries([...known, ...other]);
}

const additional = ({ additionalProperties }: Schema): Schema =>
  typeof additionalProperties === 'object' ? additionalProperties : {};

/** A place in a configuration that names a stage. */
export interface WrittenReference {
  /** Path from the value that was searched, such as `['phases', '0', 'model']`. */
  readonly path: readonly string[];
  readonly stage: string;
  readonly kinds: readonly string[] | 'any';
}

/** Every string in a value, valid or not, that the schema says is the id of a stage. */
export function* writtenReferences(
  schema: Schema,
  value: unknown,
  path: readonly string[] = [],
): Generator<WrittenReference> {
  const chosen = applicable(schema, value);
  if (typeof value === 'string') {
    if (chosen.stageRef) yield { path, stage: value, kinds: chosen.stageRef };
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  for (const [key, item] of Object.entries(value)) {
    const itemSchema = memberSchema(chosen, key, Array.isArray(value));
    if (itemSchema) yield* writtenReferences(itemSchema, item, [...path, key]);
  }
}

/** Paths of the keys in a valid value that change no output, outermost first: what is inside of one is not listed. */
export function* keysWithoutEffect(
  schema: Schema,
  value: unknown,
  path: readonly string[] = [],
): Generator<readonly string[]> {
  const chosen = applicable(schema, value);
  if (chosen.affectsOutput === false) {
    yield path;
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  for (const [key, item] of Object.entries(value)) {
    const itemSchema = memberSchema(chosen, key, Array.isArray(value));
    if (itemSchema) yield* keysWithoutEffect(itemSchema, item, [...path, key]);
  }
}

/** The same function of a schema and an immutable value, doing its work once: points of a sweep share most of their values. */
export function oncePerValue<Result>(
  work: (schema: Schema, value: unknown) => Result,
): (schema: Schema, value: unknown) => Result {
  const results = new WeakMap<Schema, WeakMap<object, Result>>();
  return (schema, value) => {
    if (typeof value !== 'object' || value === null) return work(schema, value);
    const ofSchema = results.get(schema) ?? new WeakMap<object, Result>();
    results.set(schema, ofSchema);
    const known = ofSchema.get(value);
    if (known !== undefined) return known;
    const result = work(schema, value);
    ofSchema.set(value, result);
    return result;
  };
}
