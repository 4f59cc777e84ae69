import { applicable } from './alternatives.js';
import { memberSchema } from './member.js';
import type { Schema } from './schema.js';

/** A place in a configuration that names a stage. */
export interface WrittenReference {
  /** From the value that was searched, such as `['phases', '0', 'model']`. */
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
