import { UserError } from '../../base/errors.js';
import { asUserError } from '../../base/files.js';
import { readUserText } from '../../base/user-text.js';
import { refuseFailedCopy } from '../../formats/foreign-file.js';
import { listSome } from './walk.js';

/** Names of classes as a file lists them. */
export interface ClassNames {
  /** Each differs from the others. */
  readonly names: readonly string[];
  /** Ids of the classes elsewhere, such as `n01440764`; absent where the place in the list tells. */
  readonly ids?: readonly string[];
}

/**
 * Reads names of classes: a name a line, lines of an id and a name (`n01440764 tench, Tinca tinca`), a JSON array, or a
 * JSON map of ids or numbers to names (`{"0": ["n01440764", "tench"]}` too).
 *
 * @throws UserError `file-missing`, or `classes-file-malformed` for what is no list of different names
 */
export async function readClassNames(path: string): Promise<ClassNames> {
  await refuseFailedCopy(path);
  const text = await readUserText(path).catch((error: unknown) => {
    throw asUserError(error, path);
  });
  const { names, ids } = /\.json$/i.test(path) ? jsonNames(text, path) : lineNames(text);
  if (names.length === 0) throw malformed(path, 'it names no class');
  const canonical = names.map(canonicalName);
  return ids === undefined
    ? { names: different(path, canonical) }
    : { names: distinguished(canonical, different(path, ids)), ids };
}

/** The spelling of a name that all others stand for: composed and decomposed letters are the same. */
export function canonicalName(name: string): string {
  return name.normalize('NFC');
}

/**
 * Sorts names of classes: integers by value, anything else by code units.
 */
export function sortedClasses(names: Iterable<string>): string[] {
  const all = [...names];
  const byUnits = (a: string, b: string): number => (a < b ? -1 : Number(a > b));
  if (!all.every((name) => /^-?\d{1,15}$/.test(name))) return all.sort(byUnits);
  return all.sort((a, b) => Number(a) - Number(b) || byUnits(a, b));
}

/**
 * Gives each class its name in a file, by its id or else, where classes are numbers from 0, by its place.
 *
 * @throws UserError `class-names-unmatched` where some have none
 */
export async function nameClasses(path: string, classes: readonly string[]): Promise<readonly string[]> {
  const named = await readClassNames(path);
  const { names } = named;
  const ids = named.ids ?? names.map((_, i) => String(i));
  const nameOf = new Map(ids.map((id, i) => [id, names[i]!]));
  const known = new Set(names);
  if (classes.every((name) => known.has(name))) return classes;
  const numbered = classes.map((id) => (/^\d+$/.test(id) ? names[Number(id)] : undefined));
  const without = classes.filter((id) => !nameOf.has(id));
  if (without.length > 0 && numbered.every((name) => name !== undefined)) return numbered;
  if (without.length === 0) return classes.map((id) => nameOf.get(id)!);
  const used = new Set(classes);
  const unused = ids.filter((id) => !used.has(id));
  throw new UserError({
    code: 'class-names-unmatched',
    message: `${path}: ${without.length} of ${classes.length} classes have no name there:${listSome(without, 5)}`,
    remedy: `It names ${ids.length} classes, ${unused.length} of which the images do not have: ${unused.slice(0, 5).join(', ')}${unused.length > 5 ? ', …' : ''}. Name the file that goes with the images.`,
  });
}

/** Lines of an id and a name, where every line is one, or else of a name. */
function lineNames(text: string): ClassNames {
  const lines = text
    .replace(/^\uFEFF/, '')
    .split(/\r\n?|\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const pairs = lines.map((line) => /^(\S+?)(?:,\s*|\s+)(\S.*)$/.exec(line)?.slice(1) as [string, string]);
  const isSynset = ([id]: [string, string]): boolean => /^n\d{8}$/.test(id);
  const isNumber = ([id]: [string, string], i: number): boolean => Number(id) === i + Number(pairs[0]![0]);
  const isPairs =
    pairs.every((pair) => (pair as [string, string] | undefined) !== undefined) &&
    (pairs.every(isSynset) || (/^[01]$/.test(pairs[0]?.[0] ?? '') && pairs.every(isNumber)));
  return isPairs
    ? { names: pairs.map(([, name]) => name.trim()), ids: pairs.map(([id]) => id) }
    : { names: lines };
}

function jsonNames(text: string, path: string): ClassNames {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw malformed(path, 'it is not JSON', cause);
  }
  const isText = (name: unknown): name is string => typeof name === 'string' && name !== '';
  if (Array.isArray(value) && value.every((name) => typeof name === 'string')) return { names: value };
  const entries = typeof value === 'object' && value !== null ? Object.entries(value) : [];
  const pairs = entries.map(([key, name]) => (Array.isArray(name) ? name : [key, name]) as unknown[]);
  if (entries.length > 0 && pairs.every((pair) => pair.length === 2 && pair.every(isText))) {
    const [ids, names] = [pairs.map(([id]) => id as string), pairs.map(([, name]) => name as string)];
    return { names, ids };
  }
  throw malformed(path, 'an array of names is expected, or a map of ids to names');
}

function different(path: string, names: readonly string[]): readonly string[] {
  if (new Set(names).size === names.length) return names;
  const repeated = [...new Set(names.filter((name, i) => names.indexOf(name) !== i))];
  throw malformed(path, `these names stand for several classes: ${repeated.join(', ')}`);
}

/** Names of which several classes have the same, as "crane" of ImageNet, with the id of each. */
function distinguished(names: readonly string[], ids: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return names.map((name, i) => (counts.get(name)! > 1 ? `${name} (${ids[i]!})` : name));
}

function malformed(path: string, problem: string, cause?: unknown): UserError {
  return new UserError({
    code: 'classes-file-malformed',
    message: `${path}: ${problem}.`,
    remedy:
      'Name every class once, in the order of the labels: a name a line, an id and a name a line, or a JSON array.',
    cause,
  });
}
