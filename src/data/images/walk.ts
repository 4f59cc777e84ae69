import type { Dirent } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { asUserError } from '../../base/files.js';

/** An image as found: its path below the images' folder, with `/`, and the name of its class. */
export interface FoundImage {
  readonly path: string;
  readonly className: string;
}

/** The images of a folder, by path, with the number of each one's class. */
export interface LabelledImages {
  readonly classes: readonly string[];
  readonly paths: readonly string[];
  readonly labels: Int32Array;
  /** Files that were passed over because they are no images, or belong to no class. */
  readonly ignored: number;
}

/** Result of a search: images, and every class that it knows of, with or without images. */
export interface Findings {
  readonly images: readonly FoundImage[];
  readonly classes: readonly string[];
  readonly ignored: number;
}

/**
 * Every file in a folder below `root`, hidden ones left out, sorted at each level. Links are followed, but not in
 * circles.
 *
 * @param trail the real paths of the folders on the way here.
 */
export async function* walkFiles(
  root: string,
  below: string,
  trail?: ReadonlySet<string>,
): AsyncGenerator<string> {
  const folder = join(root, below);
  const [real, above] = [await realpath(folder), trail ?? new Set([await realpath(root)])];
  if (above.has(real)) return;
  const deeper = new Set(above).add(real);
  for (const { name, isFolder } of await listFolder(folder)) {
    const path = `${below}/${name}`;
    if (isFolder) yield* walkFiles(root, path, deeper);
    else yield path;
  }
}

interface FolderEntry {
  readonly name: string;
  readonly isFolder: boolean;
}

/** Lists a folder sorted by name, without hidden entries; a link counts as its target. */
export async function listFolder(folder: string): Promise<FolderEntry[]> {
  let entries: Dirent[];
  try {
    entries = await readdir(folder, { withFileTypes: true });
  } catch (error) {
    throw asUserError(error, folder);
  }
  const visible = entries.filter(({ name }) => !name.startsWith('.'));
  const listed = visible.map(async (entry) => ({
    name: entry.name,
    isFolder: await isFolder(folder, entry),
  }));
  return (await Promise.all(listed)).sort((a, b) => compareNames(a.name, b.name));
}

/** Compares names by code units: the same order whatever the locale. */
export function compareNames(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

async function isFolder(folder: string, entry: Dirent): Promise<boolean> {
  if (!entry.isSymbolicLink()) return entry.isDirectory();
  const target = await stat(join(folder, entry.name)).catch(() => undefined);
  return target?.isDirectory() ?? false;
}

/** The first 20 of some names, one a line, and how many more there are. */
export function listSome(names: readonly string[], limit = 20): string {
  const rest = names.length - limit;
  const lines = rest > 0 ? [...names.slice(0, limit), `and ${rest} more`] : names;
  return lines.map((line) => `\n  ${line}`).join('');
}
