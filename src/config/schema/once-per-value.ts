import type { Schema } from './schema.js';

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
