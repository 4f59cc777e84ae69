import { randomBytes } from 'node:crypto';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Paths of one output and what belongs to it: all side by side, so that a rename can put the output in its place. */
export interface OutputPlace {
  readonly kind: string;
  readonly fingerprint: string;
  /** Folder of all outputs of the kind. */
  readonly folder: string;
  /** The finished output. */
  readonly directory: string;
  /** The output while it is being made. */
  readonly partial: string;
  /** Held while the output is being made. */
  readonly lock: string;
  /** Bookkeeping of the sessions that make the output. */
  readonly session: string;
  /** File that keeps why making the output failed last, for runs that wait for it. */
  readonly failure: string;
  /** File that names the other output which someone accepted in the place of this one. */
  readonly acceptance: string;
}

/** The place of an output in the store under `runsRoot`. */
export function outputPlace(runsRoot: string, kind: string, fingerprint: string): OutputPlace {
  const folder = join(runsRoot, 'store', kind);
  const directory = join(folder, fingerprint.slice(0, 16));
  return {
    kind,
    fingerprint,
    folder,
    directory,
    partial: `${directory}.partial`,
    lock: `${directory}.lock`,
    session: `${directory}.session.json`,
    failure: `${directory}.failed.json`,
    acceptance: `${directory}.accepted.json`,
  };
}

/** Folder of the remembered hashes of files. */
export function hashesFolder(runsRoot: string): string {
  return join(runsRoot, 'store', '.hashes');
}

/** Folder of the lists of files that outputs were made from. */
export function listingsFolder(runsRoot: string): string {
  return join(runsRoot, 'store', '.inputs');
}

/** The name, in an output's folder, of what makes it whole. */
export const manifestName = 'manifest.json';

/**
 * Replaces a file in one step, so that readers see the old or the new content. Several processes may do so at once: the
 * last one wins. Not synced: for files that can be made again.
 */
export async function replaceFile(path: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const aside = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    await writeFile(aside, content);
    await rename(aside, path);
  } catch (error) {
    await rm(aside, { force: true }).catch(() => undefined);
    throw error;
  }
}
