import { createHash } from 'node:crypto';
import { hashJson } from '../fingerprint/canonical-json.js';
import { addFile } from '../../files/file-hash.js';
import { readHashes } from '../fingerprint/hash-cache.js';
import type { Content } from '../fingerprint/content.js';
import type { StageKind } from '../stage.js';
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

/**
 * What later stages can see of an output, however it was made: two outputs with the same content are the same to them.
 * Where all of an output tells how it was made, or nobody noted what is read through it, it is the fingerprint.
 */
export function outputContent(kind: Pick<StageKind<never>, 'passesOn'>, manifest: Manifest): string {
  if (kind.passesOn !== undefined) return manifest.content ?? manifest.fingerprint;
  return outputHash(manifest) ?? manifest.fingerprint;
}

/**
 * The content of an output that names files of an input, which later stages read there: its own files and those.
 *
 * @param names as the output names them, in any order
 */
export async function contentWith(
  output: Pick<Manifest, 'files'>,
  names: readonly string[],
  input: Content,
): Promise<string> {
  const own = outputHash(output) ?? null;
  return hashJson({ output: own, passedOn: (await passedOn(names, input)) ?? { input: input.digest } });
}

/** Undefined where the hashes of the input's files were not kept, have changed since, or lack one of the names. */
async function passedOn(names: readonly string[], { hashes, digest }: Content): Promise<string | undefined> {
  if (hashes === undefined) return undefined;
  const wanted = new Set(names);
  const all = createHash('sha256');
  const named = createHash('sha256');
  for await (const [name, sha256] of readHashes(hashes)) {
    addFile(all, name, sha256);
    if (wanted.delete(name)) addFile(named, name, sha256);
  }
  return all.digest('hex') === digest && wanted.size === 0 ? named.digest('hex') : undefined;
}
