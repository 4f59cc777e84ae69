import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { syncFolder } from '../../base/files.js';
import { findIn } from './find-output.js';
import { manifestName, type OutputPlace } from './layout.js';
import type { Manifest } from './manifest.js';

/** Content that a session finds in the folder it is to write to. */
export interface Beginning {
  /** True when an earlier session left something to continue. */
  readonly resumed: boolean;
  /** Set where an earlier session had finished everything but the last rename, which is now done. */
  readonly completed?: Manifest;
}

/**
 * Prepares the folder in which an output is made. To be called with the output's lock held.
 *
 * @param fresh discards what an earlier session left.
 */
export async function beginOutput(
  place: OutputPlace,
  hashes: string,
  options: { readonly fresh: boolean },
): Promise<Beginning> {
  await removeReplaced(place);
  if (options.fresh) {
    await rm(place.partial, { recursive: true, force: true });
    await rm(place.session, { force: true });
  } else {
    const found = await findIn(place.partial, place.fingerprint, hashes);
    if (found.state === 'whole') {
      await putInPlace(place);
      await rm(place.session, { force: true });
      return { resumed: true, completed: found.manifest };
    }
  }
  await mkdir(place.partial, { recursive: true });
  await rm(join(place.partial, manifestName), { force: true });
  return { resumed: (await readdir(place.partial)).length > 0 };
}

/** Moves a damaged output out of the way, keeping it. Gives its new path. */
export async function moveDamagedAside(place: OutputPlace): Promise<string> {
  const aside = `${place.directory}.damaged-${stamp()}`;
  await rename(place.directory, aside);
  await syncFolder(place.folder);
  return aside;
}

/** Renames a complete partial output to its name; an output that was there is removed only afterwards. */
export async function putInPlace(place: OutputPlace): Promise<void> {
  const replaced = `${place.directory}.replaced-${stamp()}`;
  await rename(place.directory, replaced).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  });
  await rename(place.partial, place.directory);
  await syncFolder(place.folder);
  await rm(replaced, { recursive: true, force: true });
}

/** Removes what `putInPlace` would have removed, had its process lived. */
async function removeReplaced(place: OutputPlace): Promise<void> {
  const names = await readdir(place.folder);
  const prefix = `${basename(place.directory)}.replaced-`;
  const leftovers = names.filter((name) => name.startsWith(prefix));
  if (leftovers.length === 0 || !names.includes(basename(place.directory))) return;
  for (const name of leftovers) await rm(join(place.folder, name), { recursive: true, force: true });
}

function stamp(): string {
  return new Date().toISOString().replaceAll(':', '-');
}
