import { access, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileState, hashFile } from '../fingerprint/file-hash.js';
import { HashCache } from '../fingerprint/hash-cache.js';
import { type OutputPlace } from './layout.js';
import { DamagedManifest, readManifest, type Manifest } from './manifest.js';

/** What is at the place of an output. */
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

/** As `findOutput`, in a folder that the caller names. */
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
  const names = new Set(manifest.files.map(({ path }) => path));
  for (let i = 0; i < manifest.files.length; i += atOnce) {
    signal?.throwIfAborted();
    const problems = await Promise.all(
      manifest.files.slice(i, i + atOnce).map(async ({ path, bytes, sha256 }) => {
        const file = join(directory, path);
        const stats = await stat(file, { bigint: true }).catch(() => undefined);
        if (stats?.isFile() !== true) return `${path} is missing`;
        const state = fileState(stats);
        if (state.bytes !== bytes) return `${path} has ${state.bytes} bytes instead of ${bytes}`;
        let found = cache.get(path, state);
        if (found === undefined) {
          const hashed = await hashFile(file);
          cache.set(path, hashed);
          found = hashed.sha256;
        }
        return found === sha256 ? undefined : `${path} has other content than was written (SHA-256 differs)`;
      }),
    );
    const problem = problems.find((found) => found !== undefined);
    if (problem !== undefined) return problem;
  }
  await cache.save(names);
  return undefined;
}

const atOnce = 64;

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
