import type { ValueSource } from '../load.js';
import { pipelineSchema } from '../schema/schema.js';
import { applicable } from '../schema/alternatives.js';
import { memberSchema } from '../schema/member.js';
import type { Schema } from '../schema/schema.js';

/** Where a value of a resolved configuration comes from. */
export type ValueOrigin =
  | ({ readonly type: 'written' } & ValueSource)
  /** Another value, such as the name of a model, stands for it. */
  | { readonly type: 'preset'; readonly of: string; readonly source: ValueSource | undefined }
  | { readonly type: 'default' };

/** The origin of every value that is not a map, by its dotted path. Lists have one, and so have their items. */
export function originsOf(
  config: unknown,
  sources: ReadonlyMap<string, ValueSource>,
): ReadonlyMap<string, ValueOrigin> {
  const origins = new Map<string, ValueOrigin>();
  const visit = (value: unknown, schema: Schema, path: string, inherited: ValueOrigin): void => {
    const source = sources.get(path);
    const origin: ValueOrigin = source ? { type: 'written', ...source } : inherited;
    const chosen = applicable(schema, value);
    const isList = Array.isArray(value);
    if (isList || typeof value !== 'object' || value === null) origins.set(path, origin);
    for (const [key, item] of Object.entries(isMap(value) || isList ? value : {})) {
      const at = path === '' ? key : `${path}.${key}`;
      const preset = isList ? undefined : presetOf(chosen, value as Values, key);
      const below: ValueOrigin = preset
        ? { ...preset, source: sources.get(path === '' ? preset.key : `${path}.${preset.key}`) }
        : origin;
      visit(item, memberSchema(chosen, key, isList) ?? {}, at, below);
    }
  };
  visit(config, pipelineSchema(), '', { type: 'default' });
  return origins;
}

type Values = Readonly<Record<string, unknown>>;

const isMap = (value: unknown): value is Values => typeof value === 'object' && value !== null;

/** The key of a map, and its value, that stands for the value of another key. */
function presetOf(
  { properties = {} }: Schema,
  values: Values,
  key: string,
): { type: 'preset'; of: string; key: string } | undefined {
  for (const [name, { presets }] of Object.entries(properties)) {
    const of = String(values[name]);
    if (presets?.[of] && Object.hasOwn(presets[of], key)) return { type: 'preset', of, key: name };
  }
  return undefined;
}
