import type { Schema } from './schema.js';

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
