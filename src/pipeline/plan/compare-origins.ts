import type { OwnSettings } from '../../config/pipeline.js';
import type { Json } from '../stage.js';
import { canonicalJson, isArray, isObject } from '../fingerprint/canonical-json.js';
import {
  replaceAt,
  valueAt,
  withoutKeys,
  type InputOrigin,
  type KeyPath,
  type Origin,
} from '../fingerprint/origin.js';
import type { Listing } from '../store/listings.js';
import { compareListings } from './compare-listings.js';
import type { Reason } from './reasons.js';

/** Gives the files of an input by its digest, where their list was kept. */
export type FindListing = (digest: string) => Promise<Listing | undefined>;

/**
 * Every difference between two origins of a kind that makes their fingerprints differ.
 *
 * @param own what the stage has of its own now, by which keys are named
 */
export async function compareOrigins(
  stage: string,
  before: Origin,
  now: Origin,
  findListing: FindListing,
  own: OwnSettings = {},
): Promise<readonly Reason[]> {
  const at = (isOwn: boolean, key: string): string => (isOwn ? `stages.${stage}.${key}` : key);
  const reasons: Reason[] = [];
  if (before.codeVersion !== now.codeVersion)
    reasons.push({ type: 'code-changed', kind: now.kind, from: before.codeVersion, to: now.codeVersion });
  if (before.seed !== now.seed)
    reasons.push(change(at(own.seed !== undefined, 'seed'), before.seed, now.seed));
  if (before.precision !== now.precision)
    reasons.push(
      change(at(own.runtime?.precision !== undefined, 'runtime.precision'), before.precision, now.precision),
    );
  if (before.engine !== now.engine) reasons.push(change('engine', before.engine, now.engine));
  reasons.push(...compareConfigs(['stages', stage], marked(before), marked(now)));
  for (const [i, input] of now.inputs.entries()) {
    const earlier = before.inputs[i];
    if (earlier !== undefined && earlier.digest !== input.digest)
      reasons.push(await compareInputs(earlier, input, writtenPath(now, input), findListing));
  }
  return unique(reasons);
}

/** Stands in a configuration for what is compared by content: an upstream output or an input. */
interface Marker {
  readonly '\0content': string;
  readonly '\0upstream': string;
  readonly '\0fingerprint'?: string;
}

function marked({ config, withoutEffect, references, inputs, pins = {} }: Origin): Json {
  let result = config;
  for (const [key, value] of Object.entries(pins)) result = replaceAt(result, [key], value);
  for (const { path, fingerprint, content = '', stage } of references)
    result = replaceAt(result, path, {
      '\0content': content,
      '\0upstream': stage,
      '\0fingerprint': fingerprint,
    });
  // Inputs are compared on their own: at their place in the configuration they are all alike.
  for (const { paths } of inputs)
    for (const path of paths) result = replaceAt(result, path, { '\0content': '', '\0upstream': '' });
  return withoutKeys(result, withoutEffect);
}

/** Every key whose value differs between two configurations, named from `path` on. */
export function* compareConfigs(
  path: KeyPath,
  before: Json | undefined,
  now: Json | undefined,
): Generator<Reason> {
  const earlier = asMarker(before);
  const current = asMarker(now);
  if (earlier !== undefined && current !== undefined) {
    if (!sameOutput(earlier, current)) yield { type: 'upstream-changed', stage: current['\0upstream'] };
  } else if (isMap(before) && isMap(now)) {
    for (const key of new Set([...Object.keys(before), ...Object.keys(now)]))
      yield* compareConfigs([...path, key], before[key], now[key]);
  } else if (isList(before) && isList(now) && before.length === now.length && hasStructure(now)) {
    for (const [i, item] of now.entries()) yield* compareConfigs([...path, String(i)], before[i], item);
  } else if (!same(before, now)) {
    yield change(path.join('.'), readable(before), readable(now));
  }
}

/** Where the content of either is not known, their fingerprints tell. */
const sameOutput = (a: Marker, b: Marker): boolean =>
  a['\0content'] !== '' && b['\0content'] !== ''
    ? a['\0content'] === b['\0content']
    : a['\0fingerprint'] === b['\0fingerprint'];

const isMap = (value: Json | undefined): value is Readonly<Record<string, Json>> =>
  isObject(value) && asMarker(value) === undefined;

const isList = (value: Json | undefined): value is readonly Json[] => value !== undefined && isArray(value);

/** Lists of plain values are shown whole; lists of maps and stages item by item. */
const hasStructure = (list: readonly Json[]): boolean => list.some((item) => typeof item === 'object');

function same(a: Json | undefined, b: Json | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return canonicalJson(a) === canonicalJson(b);
}

function asMarker(value: Json | undefined): Marker | undefined {
  return isObject(value) && '\0content' in value ? (value as unknown as Marker) : undefined;
}

/** A value with the ids of stages in the place of markers. */
function readable(value: Json | undefined): Json | undefined {
  const marker = asMarker(value);
  if (marker !== undefined) return marker['\0upstream'];
  if (isList(value)) return value.map((item) => readable(item)!);
  if (isObject(value))
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, readable(item)!]));
  return value;
}

function change(key: string, from: Json | undefined, to: Json | undefined): Reason {
  return { type: 'changed', key, ...(from !== undefined && { from }), ...(to !== undefined && { to }) };
}

/** The path of an input as the configuration has it. */
function writtenPath({ config }: Origin, { paths, location }: InputOrigin): string {
  const written = paths[0] && valueAt(config, paths[0]);
  return typeof written === 'string' ? written : location;
}

async function compareInputs(
  before: InputOrigin,
  now: InputOrigin,
  location: string,
  findListing: FindListing,
): Promise<Reason> {
  const [earlier, current] = await Promise.all([findListing(before.digest), findListing(now.digest)]);
  // Lists that are damaged are as good as none: which files changed is told where it can be.
  const files = earlier && current && (await compareListings(earlier, current).catch(() => undefined));
  return { type: 'input-changed', location, ...(files && { files }) };
}

function unique(reasons: readonly Reason[]): readonly Reason[] {
  return [...new Map(reasons.map((reason) => [JSON.stringify(reason), reason])).values()];
}
