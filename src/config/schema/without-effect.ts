import { applicable } from './alternatives.js';
import { memberSchema } from './member.js';
import type { Schema } from './schema.js';

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
