import { join } from 'node:path';
import { sha256Of } from '../../base/input-file.js';
import { isMap } from '../../base/is-map.js';
import { DamagedRecord, readRecord, type TellDamaged, tellDamaged } from '../../base/sealed.js';
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

/**
 * Every value that a run was configured with, in the order of its file; none where the run did not keep them, or they
 * are damaged.
 *
 * @param tell told of files that are damaged
 */
export async function readConfiguration(
  run: Pick<Run, 'directory' | 'record'>,
  tell: TellDamaged = tellDamaged,
): Promise<readonly ConfiguredValue[]> {
  const [configuration, origins] = await Promise.all([
    readPart(run, resolvedName, parseNested, 'the configuration of this run is not shown', tell),
    readPart(run, originsName, JSON.parse, 'it is not shown where values were written', tell),
  ]);
  if (configuration === undefined) return [];
  return [...leavesOf(configuration as Json, '')].map(({ key, value }) => {
    const places = origins as Readonly<Record<string, unknown>> | undefined;
    const origin = places?.[key] ?? places?.[firstItem(key, value)];
    return { key, value, ...(isOrigin(origin) && { origin }) };
  });
}

/** A file that describes a run's configuration, parsed: a map. Undefined where there is none, or it is damaged. */
async function readPart(
  { directory, record }: Pick<Run, 'directory' | 'record'>,
  name: string,
  parse: (text: string) => unknown,
  consequence: string,
  tell: TellDamaged,
): Promise<unknown> {
  const path = join(directory, name);
  const sha256 = record.configuration?.[name];
  try {
    const text = await readRecord(path);
    // Runs of earlier versions kept neither their sum nor, once, the file.
    if (text === undefined && sha256 === undefined) return undefined;
    if (text === undefined) throw new DamagedRecord('is missing');
    if (sha256 !== undefined && sha256Of(Buffer.from(text)) !== sha256)
      throw new DamagedRecord('is not what was written');
    return parsedMap(parse, text);
  } catch (error) {
    tell(path, error, consequence);
    return undefined;
  }
}

function parsedMap(parse: (text: string) => unknown, text: string): object {
  let value: unknown;
  try {
    value = parse(text);
  } catch {
    value = undefined;
  }
  if (isMap(value)) return value;
  throw new DamagedRecord('is not of the expected form');
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
