import { applicable } from './alternatives.js';
import type { Schema } from './schema.js';

/**
 * A copy of a value with defaults and presets filled in, keys in the order of the schema. Defaults are in the
 * schema only; what is written wins over a preset, and a preset over a default. The value must be valid: an
 * invalid one may be as deep as its aliases make it.
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
    return value === undefined ? [] : [[key, withDefaults(property, value)] as const];
  });
  const other = Object.entries(written)
    .filter(([key]) => !Object.hasOwn(schema.properties ?? {}, key))
    .map(([key, value]) => [key, withDefaults(additional(schema), value)] as const);
  return Object.fromEntries([...known, ...other]);
}

const additional = ({ additionalProperties }: Schema): Schema =>
  typeof additionalProperties === 'object' ? additionalProperties : {};
