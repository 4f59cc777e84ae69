import { createHash, type Hash } from 'node:crypto';
import type { Manifest } from './manifest.js';

/**
 * SHA-256 of an output: over the names and hashes of its files, in the order of their names, but for those that tell how
 * it was made rather than what was made. Undefined where there are no others.
 */
export function outputHash({ files }: Pick<Manifest, 'files'>): string | undefined {
  const counted = files.filter(({ incidental }) => incidental !== true);
  if (counted.length === 0) return undefined;
  const hash = createHash('sha256');
  for (const { path, sha256 } of counted) addFile(hash, path, sha256);
  return hash.digest('hex');
}

/** Adds a file to a hash over many: the one form of all such hashes. */
export function addFile(hash: Hash, name: string, sha256: string): void {
  hash.update(`${sha256} ${JSON.stringify(name)}\n`);
}
