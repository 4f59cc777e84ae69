import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { EMPTY, from, lastValueFrom, mergeMap } from 'rxjs';
import { type FileState, hashFile } from '../../base/file-hash.js';
import { syncFolder } from '../../base/files.js';
import { writeFileWhole } from '../../base/output-file.js';
import type { Environment } from '../environment.js';
import type { Content } from '../fingerprint/content.js';
import { HashCache } from '../fingerprint/hash-cache.js';
import type { Origin } from '../fingerprint/origin.js';
import type { Json, StageKind } from '../stage.js';
import { findIn } from './find-output.js';
import { contentWith, formatManifest, manifestName } from './manifest.js';
import type { Manifest, ManifestFile, OutputPlace } from './manifest.js';

export interface SealFacts {
  readonly origin: Origin;
  readonly summary: Readonly<Record<string, Json>>;
  readonly figures?: Readonly<Record<string, number>> | undefined;
  /** Names of what the summary tells of the run rather than of the output. */
  readonly measured?: readonly string[];
  readonly madeWith: Environment;
  readonly seconds: number;
  /** Folder of the remembered hashes. */
  readonly hashes: string;
  /** True when a file tells how the output was made rather than what was made. */
  readonly isIncidental?: StageKind<never>['isIncidental'];
  readonly passesOn?: StageKind<never>['passesOn'];
  /** The external inputs. */
  readonly contents: readonly Content[];
}

/**
 * Turns the folder that a stage has written to into a finished output: every file and folder synced and hashed, then the
 * manifest, then the rename. To be called with the output's lock held.
 */
export async function sealOutput(place: OutputPlace, facts: SealFacts): Promise<Manifest> {
  const entries = await readdir(place.partial, { recursive: true, withFileTypes: true });
  const names = entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(place.partial.length + 1))
    .sort();
  if (names.includes(manifestName))
    throw new Error(`A stage of kind ${place.kind} wrote ${manifestName}, which is not its to write.`);
  const files: ManifestFile[] = [];
  const states: FileState[] = [];
  await lastValueFrom(
    from(names.keys()).pipe(
      mergeMap(async (index) => {
        const path = names[index]!;
        const { sha256, state } = await hashFile(join(place.partial, path), { sync: true });
        const incidental = facts.isIncidental?.(path, names) === true;
        states[index] = state;
        files[index] = { path, bytes: state.bytes, sha256, ...(incidental && { incidental }) };
      }, atOnce),
      mergeMap(() => EMPTY),
    ),
    { defaultValue: undefined },
  );
  for (const entry of entries) if (entry.isDirectory()) await syncFolder(join(entry.parentPath, entry.name));
  const passedOn = await facts.passesOn?.(place.partial);
  const manifest: Manifest = {
    format: 2,
    kind: place.kind,
    fingerprint: place.fingerprint,
    origin: facts.origin,
    summary: facts.summary,
    ...(facts.figures && { figures: facts.figures }),
    ...(facts.measured?.length && { measured: facts.measured }),
    madeWith: facts.madeWith,
    seconds: facts.seconds,
    createdAt: new Date().toISOString(),
    files,
    ...(passedOn && { content: await contentWith({ files }, passedOn, facts.contents[0]!) }),
  };
  await writeFileWhole(join(place.partial, manifestName), formatManifest(manifest));
  await putInPlace(place);
  await rememberHashes(place, files, states, facts.hashes);
  return manifest;
}

const atOnce = 8;

/** Spares the next plan the reading of what has just been read. */
export async function rememberHashes(
  place: Pick<OutputPlace, 'directory'>,
  files: readonly ManifestFile[],
  states: readonly FileState[],
  hashes: string,
): Promise<void> {
  const cache = await HashCache.open(hashes, place.directory);
  for (const [i, { path, sha256 }] of files.entries()) await cache.note(path, sha256, states[i]);
  await cache.save();
}

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
