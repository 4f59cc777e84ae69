import type { Schema } from './schema.js';

/** The schema of a value's member: of a key of a map, or of an item of a list. */
export function memberSchema(schema: Schema, key: string, inList: boolean): Schema | undefined {
  if (!inList) return schema.properties?.[key];
  const { items } = schema;
  return Array.isArray(items) ? (items as readonly Schema[])[Number(key)] : (items as Schema | undefined);
}
