import type { BigIntStats } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

export interface ListedFile {
  /** Path under the listed folder, with `/` between its parts; empty where a file itself was listed. */
  readonly name: string;
  readonly path: string;
  /** Absent for a link that leads nowhere. */
  readonly stats?: BigIntStats;
}

/** What file managers leave behind: never part of anybody's data. */
const litter = new Set(['.DS_Store', 'Thumbs.db', 'desktop.ini']);

/**
 * Every regular file under a folder, or the file itself, following links. A link back to a folder above it is left out,
 * and so is the folder `leaveOut`. Sorted by name, in the order of UTF-16 code units.
 */
export async function listFiles(
  root: string,
  options: { readonly leaveOut?: string | undefined; readonly signal?: AbortSignal | undefined } = {},
): Promise<readonly ListedFile[]> {
  const { leaveOut, signal } = options;
  const leftOut =
    leaveOut === undefined ? undefined : await stat(leaveOut, { bigint: true }).catch(() => undefined);
  const files: ListedFile[] = [];
  const visit = async (path: string, name: string, above: readonly string[]): Promise<void> => {
    signal?.throwIfAborted();
    const stats = await stat(path, { bigint: true }).catch((error: unknown) => {
      if (name !== '' && (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    });
    if (stats === undefined) {
      files.push({ name, path });
    } else if (stats.isFile()) {
      files.push({ name, path, stats });
    } else if (stats.isDirectory()) {
      const self = identity(stats);
      if (above.includes(self)) return;
      const names = (await readdir(path)).filter((entry) => !litter.has(entry));
      for (let i = 0; i < names.length; i += atOnce)
        await Promise.all(
          names
            .slice(i, i + atOnce)
            .map((entry) =>
              visit(join(path, entry), name === '' ? entry : `${name}/${entry}`, [...above, self]),
            ),
        );
    }
  };
  await visit(root, '', leftOut === undefined ? [] : [identity(leftOut)]);
  return files.sort((a, b) => (a.name < b.name ? -1 : 1));
}

const atOnce = 64;

const identity = ({ dev, ino }: BigIntStats): string => `${dev}:${ino}`;
