import { createHash } from 'node:crypto';

/** Keys that lead from a configuration's top to a value in it; an item of a list goes by its number. */
export type KeyPath = readonly string[];

/** A place in a stage's configuration that names another stage. */
export interface ReferenceOrigin {
  readonly path: KeyPath;
  readonly stage: string;
  /** Fingerprint of the output that was read, or that would be. */
  readonly fingerprint: string;
  /**
   * Content of that output, however it was made: `outputContent`. Absent where it is not known yet, and in outputs that
   * were made before contents were told apart from fingerprints.
   */
  readonly content?: string;
}

/** A file or folder outside the pipeline's own outputs, by its content. */
export interface InputOrigin {
  /** Absolute path. Not part of the fingerprint where `paths` says which keys name it. */
  readonly location: string;
  /** The configuration's keys that name this file or folder. */
  readonly paths: readonly KeyPath[];
  readonly files: number;
  readonly bytes: number;
  /** SHA-256 over names and content. */
  readonly digest: string;
}

/**
 * Origin of an output: everything that it follows from, in a form that people can read and two of which can be
 * compared.
 */
export interface Origin {
  readonly kind: string;
  readonly codeVersion: number;
  /** Absent where the output does not depend on it. */
  readonly seed?: number;
  /** Absent where the output does not depend on it. */
  readonly precision?: string;
  /** Engine that computed it, such as `tensorflow 2.21.0`. Absent where nothing that depends on it was computed. */
  readonly engine?: string;
  /** Configuration with defaults applied; stage ids and paths as written. */
  readonly config: Json;
  /** Keys of the configuration that change no output. */
  readonly withoutEffect?: readonly KeyPath[];
  readonly references: readonly ReferenceOrigin[];
  readonly inputs: readonly InputOrigin[];
  /** Meanings of names in the configuration, by key; absent where nothing was pinned. */
  readonly pins?: Readonly<Record<string, string>>;
}

/** Raised whenever the same origin would give another fingerprint. */
const format = 2;

/**
 * Fingerprint of an output: SHA-256 in hexadecimal over its origin, in which stage ids are replaced by the content of
 * those stages' outputs (by their fingerprints, where the content is not known) and paths of inputs by their content, and
 * without the keys that change no output. So names, places, comments and the order of keys do not matter, nor how the
 * same outputs of earlier stages were made.
 */
export function fingerprintOf(origin: Origin): string {
  let { config } = origin;
  for (const { path, fingerprint, content } of origin.references)
    config = replaceAt(
      config,
      path,
      content === undefined ? { output: fingerprint } : { outputContent: content },
    );
  for (const { paths, digest } of origin.inputs)
    for (const path of paths) config = replaceAt(config, path, { content: digest });
  for (const [key, value] of Object.entries(origin.pins ?? {}))
    config = replaceAt(config, key.split('.'), { pinned: value });
  return hashJson({
    format,
    kind: origin.kind,
    codeVersion: origin.codeVersion,
    seed: origin.seed ?? null,
    precision: origin.precision ?? null,
    ...(origin.engine !== undefined && { engine: origin.engine }),
    config: withoutKeys(config, origin.withoutEffect),
    inputs: origin.inputs.map(({ digest }) => digest),
  });
}

/** A copy of a configuration without the keys at `paths`, such as those that change no output. */
export function withoutKeys(config: Json, paths: readonly KeyPath[] = []): Json {
  return paths.reduce(without, config);
}

/** Value at `path`, if there is one. */
export function valueAt(value: Json, path: KeyPath): Json | undefined {
  return path.reduce<Json | undefined>(
    (at, key) => (at as Readonly<Record<string, Json>> | undefined)?.[key],
    value,
  );
}

/** A copy of `value` without what is at `path`, which leads through maps and lists to a key of a map. */
function without(value: Json, path: KeyPath): Json {
  const parent = path.slice(0, -1);
  const key = path.at(-1)!;
  const map = valueAt(value, parent);
  if (!isObject(map) || !(key in map)) return value;
  return replaceAt(value, parent, Object.fromEntries(Object.entries(map).filter(([name]) => name !== key)));
}

/** A copy of `value` with another value at `path`, which must exist. */
export function replaceAt(value: Json, path: KeyPath, replacement: Json): Json {
  const [key, ...rest] = path;
  if (key === undefined) return replacement;
  if (isArray(value) && key in value)
    return value.map((item, i) => (String(i) === key ? replaceAt(item, rest, replacement) : item));
  if (isObject(value) && key in value) return { ...value, [key]: replaceAt(value[key]!, rest, replacement) };
  throw new Error(`A configuration has no ${path.join('.')}.`);
}

/** Anything that JSON can hold. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/**
 * JSON with one spelling for each value: keys in the order of their UTF-16 code units, no white space, keys without a
 * value left out.
 */
export function canonicalJson(value: Json): string {
  if (typeof value === 'number' && !Number.isFinite(value)) throw new Error(`JSON cannot hold ${value}.`);
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  const entries = Object.entries(value as Readonly<Record<string, Json | undefined>>)
    .filter((entry): entry is [string, Json] => entry[1] !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, item]) => `${JSON.stringify(key)}:${canonicalJson(item)}`);
  return `{${entries.join(',')}}`;
}

/** SHA-256 of a value's canonical JSON, in hexadecimal. */
export function hashJson(value: Json): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex');
}

/** `Array.isArray` that also narrows read-only arrays. */
export function isArray(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}

/** True when `value` is a JSON object. */
export function isObject(value: Json | undefined): value is Readonly<Record<string, Json>> {
  return typeof value === 'object' && value !== null && !isArray(value);
}
