import { join } from 'node:path';
import { readWholeText } from '../../base/files.js';
import { originsName, resolvedName } from '../run/run-folder.js';
import type { Json } from '../stage.js';
import { parseNested } from '../yaml/nesting.js';
import type { Run } from './run.js';

/** One value of a run's configuration. */
export interface ConfiguredValue {
  /** Dotted path: `stages.train.model.mediators`. A list without maps in it is one value. */
  readonly key: string;
  readonly value: Json;
  /** Place at which it was written; absent for a default. */
  readonly origin?: ValueOrigin;
}

export interface ValueOrigin {
  /** Relative to the folder of the pipeline's file, or `--set`. */
  readonly file: string;
  /** Line, or the number of the `--set` option. */
  readonly line: number;
  readonly column: number;
}

/** `mine.yaml:9:12`, `--set`, or `default`. */
export function formatOrigin(origin: ValueOrigin | undefined): string {
  if (origin === undefined) return 'default';
  return origin.file.startsWith('--') ? origin.file : `${origin.file}:${origin.line}:${origin.column}`;
}

/** Every value that a run was configured with, in the order of its file; none where the run did not keep them. */
export async function readConfiguration({ directory }: Run): Promise<readonly ConfiguredValue[]> {
  const [resolved, origins] = await Promise.all([
    readText(join(directory, resolvedName)),
    readText(join(directory, originsName)),
  ]);
  if (resolved === undefined) return [];
  const places = parsed(() => JSON.parse(origins ?? '{}')) as
    Readonly<Record<string, unknown>> | null | undefined;
  const configuration = parsed(() => parseNested(resolved)) as Json | undefined;
  if (configuration === undefined) return [];
  return [...leavesOf(configuration, '')].map(({ key, value }) => {
    const origin = places?.[key] ?? places?.[firstItem(key, value)];
    return { key, value, ...(isOrigin(origin) && { origin }) };
  });
}

/** Parses what a run kept; undefined where that is not whole. */
function parsed(parse: () => unknown): unknown {
  try {
    return parse();
  } catch {
    return undefined;
  }
}

function isOrigin(value: unknown): value is ValueOrigin {
  const { file, line, column } = (value ?? {}) as Partial<ValueOrigin>;
  return typeof file === 'string' && typeof line === 'number' && typeof column === 'number';
}

/** A list that was written item by item in several places is said to come from where its first item does. */
const firstItem = (key: string, value: Json): string => (Array.isArray(value) ? `${key}.0` : key);

function* leavesOf(value: Json, path: string): Generator<{ key: string; value: Json }> {
  if (!isMapOrMaps(value)) {
    yield { key: path, value };
    return;
  }
  for (const [key, item] of Object.entries(value))
    yield* leavesOf(item, path === '' ? key : `${path}.${key}`);
}

/** A map or a list with maps in it, but not an empty one: that is a value of its own. */
function isMapOrMaps(value: Json): value is Readonly<Record<string, Json>> {
  if (typeof value !== 'object' || value === null || Object.keys(value).length === 0) return false;
  return !Array.isArray(value) || value.some((item) => typeof item === 'object' && item !== null);
}

function readText(path: string): Promise<string | undefined> {
  return readWholeText(path).catch(() => undefined);
}
