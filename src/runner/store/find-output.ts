import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { exists } from '../../base/existence.js';
import { fileState, type FileState, hashFile } from '../../base/file-hash.js';
import { HashCache } from '../fingerprint/hash-cache.js';
import { DamagedManifest, readManifest } from './manifest.js';
import type { Manifest, ManifestFile, OutputPlace } from './manifest.js';

/** Finding at the place of an output. */
export type FoundOutput =
  | { readonly state: 'absent' }
  | { readonly state: 'whole'; readonly manifest: Manifest }
  /** `problem` names the first file that is not as the manifest says, and how. */
  | { readonly state: 'damaged'; readonly problem: string };

/**
 * Looks for a finished output and verifies it. Sizes are always compared. SHA-256 is computed for a file whose times,
 * size and inode are not those of the last time it was verified, and remembered; so an untouched output costs one `stat`
 * a file, and a changed, copied or restored one is read in full.
 *
 * @param hashes folder of the remembered hashes.
 */
export async function findOutput(
  place: OutputPlace,
  hashes: string,
  signal?: AbortSignal,
): Promise<FoundOutput> {
  return findIn(place.directory, place.fingerprint, hashes, signal);
}

/** Finds an output as `findOutput` does, in a folder that the caller names. */
export async function findIn(
  directory: string,
  fingerprint: string,
  hashes: string,
  signal?: AbortSignal,
): Promise<FoundOutput> {
  let manifest: Manifest | undefined;
  try {
    manifest = await readManifest(directory, fingerprint);
  } catch (error) {
    if (error instanceof DamagedManifest) return { state: 'damaged', problem: error.message };
    throw error;
  }
  if (manifest === undefined)
    return (await exists(directory))
      ? { state: 'damaged', problem: 'manifest.json is missing' }
      : { state: 'absent' };
  const problem = await findDamage(directory, manifest, hashes, signal);
  return problem === undefined ? { state: 'whole', manifest } : { state: 'damaged', problem };
}

async function findDamage(
  directory: string,
  manifest: Manifest,
  hashes: string,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const cache = await HashCache.open(hashes, directory);
  try {
    for (let i = 0; i < manifest.files.length; i += atOnce) {
      signal?.throwIfAborted();
      const problem = await findDamageIn(directory, manifest.files.slice(i, i + atOnce), cache);
      if (problem !== undefined) return problem;
    }
    await cache.save();
    return undefined;
  } finally {
    await cache.abandon();
  }
}

async function findDamageIn(
  directory: string,
  files: readonly ManifestFile[],
  cache: HashCache,
): Promise<string | undefined> {
  const all = await Promise.all(
    files.map(({ path }) => stat(join(directory, path), { bigint: true }).catch(() => undefined)),
  );
  const found: { readonly state: FileState; readonly sha256: string | undefined }[] = [];
  for (const [i, { path, bytes }] of files.entries()) {
    const stats = all[i];
    if (stats?.isFile() !== true) return `${path} is missing`;
    const state = fileState(stats);
    if (state.bytes !== bytes) return `${path} has ${state.bytes} bytes instead of ${bytes}`;
    found.push({ state, sha256: await cache.find(path, state) });
  }
  const hashed = await Promise.all(
    found.map(async ({ state, sha256 }, i) =>
      sha256 === undefined ? hashFile(join(directory, files[i]!.path)) : { state, sha256 },
    ),
  );
  for (const [i, { path, sha256 }] of files.entries()) {
    if (hashed[i]!.sha256 !== sha256) return `${path} has other content than was written (SHA-256 differs)`;
    await cache.note(path, sha256, hashed[i]!.state);
  }
  return undefined;
}

const atOnce = 64;
