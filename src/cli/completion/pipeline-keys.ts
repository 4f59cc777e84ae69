import { readFile } from 'node:fs/promises';
import { parseNested } from '../../config/source/nesting.js';
import { applicable } from '../../config/schema/alternatives.js';
import { readSchema, type Schema } from '../../config/schema/schema.js';
import { loadPipeline } from '../../config/index.js';
import type { Candidate } from './parse.js';

type Written = Readonly<Record<string, unknown>>;

/** Ids of the stages of a file, valid or not; none where it cannot be read. */
export async function stageIds(file: string | undefined): Promise<readonly Candidate[]> {
  const stages = Object.entries(await stagesOf(file));
  return stages.map(([value, stage]) => {
    const uses = (stage as Written | null)?.uses;
    return { value, description: typeof uses === 'string' ? uses : '' };
  });
}

/** `path=` for every key that the schema knows of, and the values of one whose `=` is typed. */
export async function configurationKeys(
  file: string | undefined,
  typed: string,
): Promise<readonly Candidate[]> {
  const schema = readSchema('pipeline.schema.json');
  const value: Written = { stages: await stagesOf(file) };
  const keys = [...leaves(schema, value, '')];
  const equals = typed.indexOf('=');
  if (equals < 0)
    return keys.map(({ path, schema: { description = '' } }) => ({ value: `${path}=`, description }));
  const path = typed.slice(0, equals);
  const key = keys.find((known) => known.path === path);
  return valuesOf(key?.schema ?? {}).map((one) => ({ value: `${path}=${one}` }));
}

/** Stages as they are in the file; with what it is composed of where it is valid. */
async function stagesOf(file: string | undefined): Promise<Written> {
  if (file === undefined) return {};
  const loaded = await loadPipeline(file);
  if (loaded.ok)
    return Object.fromEntries(
      Array.from(loaded.pipeline.stages, ([id, { kind, config }]) => [id, { uses: kind, ...config }]),
    );
  try {
    const value = parseNested(await readFile(file, 'utf8')) as { stages?: Written } | null;
    return value?.stages ?? {};
  } catch {
    return {};
  }
}

/** Every key that takes a plain value or a list. */
function* leaves(schema: Schema, value: unknown, path: string): Generator<{ path: string; schema: Schema }> {
  const chosen = applicable(schema, value);
  const map = typeof value === 'object' && value !== null ? (value as Written) : {};
  const more = chosen.additionalProperties;
  const named = Object.entries(chosen.properties ?? {});
  const other = typeof more === 'object' ? Object.keys(map).map((key): [string, Schema] => [key, more]) : [];
  for (const [key, property] of [...named, ...other]) {
    if (key === 'uses') continue;
    const inner = path === '' ? key : `${path}.${key}`;
    const isMap = property.properties !== undefined || typeof property.additionalProperties === 'object';
    if (isMap) yield* leaves(property, map[key], inner);
    else yield { path: inner, schema: property };
  }
}

function valuesOf({ enum: choices, type, anyOf, default: preset }: Schema): readonly string[] {
  if (choices !== undefined) return choices.map(String);
  if (type === 'boolean') return ['true', 'false'];
  if (anyOf !== undefined) return [...new Set(anyOf.flatMap(valuesOf))];
  return typeof preset === 'number' || typeof preset === 'string' ? [String(preset)] : [];
}
