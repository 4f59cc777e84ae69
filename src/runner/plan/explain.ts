import type { Content } from '../fingerprint/content.js';
import { readHashes } from '../fingerprint/hash-cache.js';
import {
  canonicalJson,
  fingerprintOf,
  type InputOrigin,
  isArray,
  isObject,
  type KeyPath,
  type Origin,
  replaceAt,
  valueAt,
  withoutKeys,
} from '../fingerprint/origin.js';
import type { OwnSettings, PipelineStage } from '../pipeline.js';
import type { Json } from '../stage.js';
import type { FoundOutput } from '../store/find-output.js';
import { type Listing, openListing } from '../store/listings.js';
import { listingsFolder, type Manifest, outputPlace, readManifest } from '../store/manifest.js';
import type { History } from '../store/session.js';
import type { ChangedFiles, Reason } from './reasons.js';

/** Number of a stage's latest outputs that are compared with. */
const compared = 10;

/**
 * Explains why a stage without a whole output has to run: the differences from the nearest of the outputs that it had
 * before (fewest differences, the latest of equals).
 *
 * @param origins its own, and any other under which its output may have been known
 */
export async function explain(
  runsRoot: string,
  { id, own }: Pick<PipelineStage, 'id' | 'own'>,
  [origin, ...others]: readonly [Origin, ...Origin[]],
  contents: readonly Content[],
  found: Exclude<FoundOutput, { state: 'whole' }>,
  history: History,
): Promise<readonly Reason[]> {
  if (found.state === 'damaged') return [{ type: 'output-damaged', problem: found.problem }];
  const fingerprints = history.fingerprints(id, origin.kind);
  if ([origin, ...others].some((one) => fingerprints.includes(fingerprintOf(one))))
    return [{ type: 'output-missing' }];
  const findListing = listingsOf(runsRoot, contents);
  let nearest: readonly Reason[] | undefined;
  for (const fingerprint of fingerprints.slice(0, compared)) {
    const manifest = await manifestOf(runsRoot, origin.kind, fingerprint);
    if (manifest === undefined) continue;
    const reasons = await compareOrigins(id, manifest.origin, origin, findListing, own);
    if (reasons.length > 0 && (nearest === undefined || reasons.length < nearest.length)) nearest = reasons;
  }
  return nearest ?? [{ type: 'never-run' }];
}

async function manifestOf(
  runsRoot: string,
  kind: string,
  fingerprint: string,
): Promise<Manifest | undefined> {
  const { directory } = outputPlace(runsRoot, kind, fingerprint);
  return readManifest(directory, fingerprint).catch(() => undefined);
}

/** Finds lists of files: of inputs as they are now, and of those that outputs were made from. */
export function listingsOf(runsRoot: string, contents: readonly Content[]): FindListing {
  const now = new Map(contents.map(({ digest, hashes }) => [digest, hashes]));
  return async (digest) => {
    const hashes = now.get(digest);
    return hashes === undefined ? openListing(listingsFolder(runsRoot), digest) : readHashes(hashes);
  };
}

/** Gives the files of an input by its digest, where their list was kept. */
type FindListing = (digest: string) => Promise<Listing | undefined>;

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
  for (const [key, value] of Object.entries(pins)) result = replaceAt(result, key.split('.'), value);
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

/** Compares contents, or fingerprints where the content of either is not known. */
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

/** Names that are kept of each sort of change. */
const named = 3;

/** Finds the files in which two inputs differ. Both are read once, side by side. */
async function compareListings(before: Listing, now: Listing): Promise<ChangedFiles> {
  const changes = { changed: new Names(), added: new Names(), removed: new Names() };
  const [earlier, current] = [before[Symbol.asyncIterator](), now[Symbol.asyncIterator]()];
  let [was, is] = [await earlier.next(), await current.next()];
  while (was.done !== true || is.done !== true) {
    if (is.done === true || (was.done !== true && was.value[0] < is.value[0])) {
      changes.removed.add((was as IteratorYieldResult<readonly [string, string]>).value[0]);
      was = await earlier.next();
    } else if (was.done === true || is.value[0] < was.value[0]) {
      changes.added.add(is.value[0]);
      is = await current.next();
    } else {
      if (was.value[1] !== is.value[1]) changes.changed.add(is.value[0]);
      [was, is] = [await earlier.next(), await current.next()];
    }
  }
  const { changed, added, removed } = changes;
  return {
    changed: changed.count,
    added: added.count,
    removed: removed.count,
    names: [...changed.first, ...added.first, ...removed.first].slice(0, named),
  };
}

class Names {
  count = 0;
  readonly first: string[] = [];

  add(name: string): void {
    this.count++;
    if (this.first.length < named) this.first.push(name);
  }
}
