import type { BigIntStats, Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { checkFileNames, isPipelineFileName, isUnseen } from '../../base/file-names.js';
import { mustBeFile } from '../../base/files.js';
import { expandLocation } from '../../base/patterns.js';

export interface WalkedFile {
  /** Path under the root, with `/` between its parts; empty where the root is a file itself. */
  readonly name: string;
  readonly path: string;
}

export interface WalkOptions {
  /** A folder that does not count, wherever it is met. */
  readonly leaveOut?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Every file under a folder, or the file itself, or all that a location with a pattern names, following links: batches of
 * at most `batchSize`, sorted by name in the order of UTF-16 code units. What is hidden, litter or a pipeline file is left
 * out, as is a link back to a folder above it; one that leads nowhere counts as a file. In memory are the names of one
 * folder, and of those above it, at a time.
 *
 * @throws the file system's error where what the location names is missing, or a folder cannot be read.
 */
export async function* walkFiles(
  root: string,
  options: WalkOptions = {},
): AsyncGenerator<readonly WalkedFile[]> {
  const { base, paths, missing } = expandLocation(root);
  // Gives the system's error.
  for (const path of missing) await stat(path);
  const leftOut =
    options.leaveOut === undefined
      ? undefined
      : await stat(options.leaveOut, { bigint: true }).catch(() => undefined);
  const without = leftOut ? [identity(leftOut)] : [];
  let batch: WalkedFile[] = [];
  for (const path of paths) {
    for await (const file of filesAt(path, path === root ? root : base, without, options.signal)) {
      batch.push(file);
      if (batch.length < batchSize) continue;
      yield batch;
      batch = [];
    }
  }
  if (batch.length > 0) yield batch;
}

const batchSize = 64;

/** The file at a path, or all below the folder there. Names begin at `base`; that of a lone file is empty. */
async function* filesAt(
  path: string,
  base: string,
  leftOut: readonly string[],
  signal: AbortSignal | undefined,
): AsyncGenerator<WalkedFile> {
  const stats = await stat(path, { bigint: true });
  mustBeFile(stats);
  const name = relative(base, path).replaceAll(sep, '/');
  if (stats.isDirectory()) yield* folderFiles(path, name && `${name}/`, stats, leftOut, signal);
  else yield { name, path };
}

async function* folderFiles(
  path: string,
  prefix: string,
  stats: BigIntStats,
  above: readonly string[],
  signal: AbortSignal | undefined,
): AsyncGenerator<WalkedFile> {
  signal?.throwIfAborted();
  const self = identity(stats);
  if (above.includes(self)) return;
  for (const { name, isFolder } of await sortedEntries(path)) {
    const entry = join(path, name);
    if (!isFolder) yield { name: prefix + name, path: entry };
    else {
      const folder = await stat(entry, { bigint: true });
      yield* folderFiles(entry, `${prefix}${name}/`, folder, [...above, self], signal);
    }
  }
}

interface Entry {
  readonly name: string;
  readonly isFolder: boolean;
}

/** The files and folders in a folder, in the order of the names of what they hold. */
async function sortedEntries(path: string): Promise<readonly Entry[]> {
  const found = (await readdir(path, { withFileTypes: true })).filter(
    (entry) => !isUnseen(entry.name) && (entry.isDirectory() || !isPipelineFileName(entry.name)),
  );
  await checkFileNames(
    path,
    found.map(({ name }) => name),
  );
  const entries: Entry[] = [];
  for (let i = 0; i < found.length; i += batchSize)
    for (const entry of await Promise.all(found.slice(i, i + batchSize).map((entry) => known(path, entry))))
      if (entry !== undefined) entries.push(entry);
  const key = ({ name, isFolder }: Entry): string => (isFolder ? `${name}/` : name);
  return entries.sort((a, b) => (key(a) < key(b) ? -1 : 1));
}

/** Resolves an entry; undefined for what is neither file nor folder: a socket, a device. */
async function known(path: string, entry: Dirent): Promise<Entry | undefined> {
  const { name } = entry;
  if (entry.isFile()) return { name, isFolder: false };
  if (entry.isDirectory()) return { name, isFolder: true };
  if (!entry.isSymbolicLink()) return undefined;
  try {
    const target = await stat(join(path, name));
    return target.isFile() || target.isDirectory() ? { name, isFolder: target.isDirectory() } : undefined;
  } catch (error) {
    if (leadsNowhere(error)) return { name, isFolder: false };
    throw error;
  }
}

/** True when an error says that a link leads to nothing, or to itself. */
export function leadsNowhere(error: unknown): boolean {
  return ['ENOENT', 'ELOOP', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '');
}

const identity = ({ dev, ino }: BigIntStats): string => `${dev}:${ino}`;
