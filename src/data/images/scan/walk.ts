import { readdir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Dirent } from 'node:fs';
import { asUserError } from '../../../files/file-errors.js';

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

export interface FolderEntry {
  readonly name: string;
  readonly isFolder: boolean;
}

/** What is in a folder, hidden entries left out, sorted by name; a link counts as what it leads to. */
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

/** By code units: the same order whatever the locale. */
export function compareNames(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

async function isFolder(folder: string, entry: Dirent): Promise<boolean> {
  if (!entry.isSymbolicLink()) return entry.isDirectory();
  const target = await stat(join(folder, entry.name)).catch(() => undefined);
  return target?.isDirectory() ?? false;
}
