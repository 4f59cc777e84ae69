import { existsSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { UserError } from './errors.js';

/** Separates the paths of a location that has several. */
const separator = '\n';

/** Absolute form of a path of a configuration, or of a list of paths: one text, of which `expandLocation` makes files. */
export function locationOf(path: string | readonly string[], directory: string): string {
  return [path]
    .flat()
    .map((each) => resolve(directory, each))
    .join(separator);
}

/** The files and folders at a location, and those that it names and that are not there. */
export interface Places {
  /** The folder that is above all of them; a folder itself, where it is the only one. */
  readonly base: string;
  /** Absolute, in the order of the names of what they hold, none within another. */
  readonly paths: readonly string[];
  readonly missing: readonly string[];
}

/**
 * Finds the files and folders that a location names: paths, each of which may have braces, as in `{000..099}.tar`, and
 * the wildcards `*`, `**`, `?` and `[…]`. A path that is there is taken as it is, whatever its characters.
 *
 * @throws UserError `pattern-too-wide` where braces stand for more than 100,000 paths.
 */
export function expandLocation(location: string): Places {
  const bases: string[] = [];
  const found: string[] = [];
  const missing: string[] = [];
  for (const item of existsSync(location) ? [location] : location.split(separator)) {
    const { base, paths } = expandItem(item);
    bases.push(base);
    const there = paths.filter((path) => existsSync(path));
    found.push(...there);
    missing.push(...(paths.length === 0 ? [item] : paths.filter((path) => !existsSync(path))));
  }
  const keyed = [...new Set(found)].map((path) => ({ path, key: isFolder(path) ? path + sep : path }));
  keyed.sort((a, b) => (a.key < b.key ? -1 : 1));
  const outer = keyed.filter(
    ({ key }, i) => !keyed.slice(0, i).some((other) => other.key.endsWith(sep) && key.startsWith(other.key)),
  );
  return { base: commonFolder(bases), paths: outer.map(({ path }) => path), missing };
}

/** The folder above everything that a location may name. */
export function baseOfLocation(location: string): string {
  if (existsSync(location)) return isFolder(location) ? location : dirname(location);
  return commonFolder(location.split(separator).map((item) => split(item).base));
}

/** Loads what matches wildcards, which few paths have. */
const matcher = (): typeof import('tinyglobby') =>
  createRequire(import.meta.url)('tinyglobby') as typeof import('tinyglobby');

const special = /[*?{[]/;
const mostPaths = 100_000;

function expandItem(item: string): { readonly base: string; readonly paths: readonly string[] } {
  const { base, rest } = split(item);
  if (rest === '') return { base, paths: [item] };
  const paths = expandBraces(rest, item).flatMap((each) =>
    /[*?[]/.test(each)
      ? matcher()
          .globSync(each.replace(/[()!+@]/g, '\\$&'), {
            cwd: base,
            absolute: true,
            onlyFiles: false,
            expandDirectories: false,
          })
          .map((path) => resolve(path))
      : [join(base, each)],
  );
  return { base, paths };
}

/** The folders before the first special character, and the rest; no rest where there is none, or the path is there. */
function split(item: string): { readonly base: string; readonly rest: string } {
  if (existsSync(item)) return { base: isFolder(item) ? item : dirname(item), rest: '' };
  if (!special.test(item)) return { base: dirname(item), rest: '' };
  let base = item;
  while (special.test(base)) base = dirname(base);
  return { base, rest: relative(base, item) };
}

/**
 * Expands braces as shells do: lists, and ranges of whole numbers with their leading zeros.
 *
 * @param item the whole path, for messages
 * @throws UserError `pattern-too-wide`
 */
export function expandBraces(pattern: string, item: string): readonly string[] {
  const [before, alternatives, after] = firstBraces(pattern) ?? [pattern, [''], ''];
  if (alternatives.length === 1 && after === '') return [before + alternatives[0]!];
  const heads = alternatives.flatMap((each) => expandBraces(each, item));
  const tails = expandBraces(after, item);
  if (heads.length * tails.length > mostPaths)
    throw new UserError({
      code: 'pattern-too-wide',
      message: `${item}: its braces stand for more than ${mostPaths} paths.`,
      remedy: 'Name a smaller range, or the folder.',
    });
  return heads.flatMap((head) => tails.map((tail) => before + head + tail));
}

/** The first braces that stand for something: what is before them, what they stand for, what is after them. */
function firstBraces(pattern: string): readonly [string, readonly string[], string] | undefined {
  for (let start = pattern.indexOf('{'); start >= 0; start = pattern.indexOf('{', start + 1)) {
    const commas = [start];
    let depth = 0;
    for (let end = start; end < pattern.length; end++) {
      const character = pattern[end];
      if (character === '{') depth++;
      if (character === ',' && depth === 1) commas.push(end);
      if (character !== '}' || --depth > 0) continue;
      const alternatives =
        commas.length > 1
          ? commas.map((comma, i) => pattern.slice(comma + 1, commas[i + 1] ?? end))
          : rangeOf(pattern.slice(start + 1, end));
      if (alternatives) return [pattern.slice(0, start), alternatives, pattern.slice(end + 1)];
      break;
    }
  }
  return undefined;
}

function rangeOf(text: string): readonly string[] | undefined {
  const [, first, last] = /^(\d{1,15})\.\.(\d{1,15})$/.exec(text) ?? [];
  if (first === undefined || last === undefined) return undefined;
  const [from, to] = [Number(first), Number(last)];
  const count = Math.min(Math.abs(to - from) + 1, mostPaths + 1);
  const isPadded = [first, last].some((end) => end.length > 1 && end.startsWith('0'));
  const width = isPadded ? Math.max(first.length, last.length) : 0;
  return Array.from({ length: count }, (_, i) =>
    String(from + Math.sign(to - from) * i).padStart(width, '0'),
  );
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function commonFolder(folders: readonly string[]): string {
  const [first = sep, ...others] = folders;
  let common = first;
  const isWithin = (folder: string) =>
    folder === common || folder.startsWith(common === sep ? sep : common + sep);
  while (!others.every(isWithin)) common = dirname(common);
  return common;
}
