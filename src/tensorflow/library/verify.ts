import { join } from 'node:path';
import { sha256OfFile } from '../../files/sha256-file.js';
import type { LibraryLocation } from './locate.js';
import { damagedFiles, readManifest } from './manifest.js';

/**
 * Reads the whole library and compares it with its manifest.
 *
 * @returns paths of the files that differ; empty when all is well, and for a library of the user's own, which has no manifest.
 */
export async function verifyLibrary(location: LibraryLocation): Promise<string[]> {
  const manifest = readManifest(location.directory);
  if (manifest === undefined) return [];
  const damaged = damagedFiles(location.directory, manifest);
  for (const file of manifest.files) {
    const path = join(location.directory, file.path);
    if (!damaged.includes(path) && (await sha256OfFile(path)) !== file.sha256) damaged.push(path);
  }
  return damaged;
}
