import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { access } from 'node:fs/promises';
import { gunzip, gzip } from 'node:zlib';
import type { Content } from '../fingerprint/content.js';
import { replaceFile } from './replace-file.js';

const compress = promisify(gzip);
const decompress = promisify(gunzip);

/** Keeps which files an input consisted of, so that a later plan can say which of them changed. One copy a content. */
export async function saveListing(folder: string, content: Content): Promise<void> {
  const path = listingPath(folder, content.digest);
  const known = await access(path).then(
    () => true,
    () => false,
  );
  if (!known) await replaceFile(path, await compress(JSON.stringify([...content.files])));
}

/** SHA-256 of each file, by name, of an input with this digest; undefined where it was not kept. */
export async function readListing(
  folder: string,
  digest: string,
): Promise<ReadonlyMap<string, string> | undefined> {
  try {
    const json = (await decompress(await readFile(listingPath(folder, digest)))).toString();
    return new Map(JSON.parse(json) as [string, string][]);
  } catch {
    return undefined;
  }
}

function listingPath(folder: string, digest: string): string {
  return join(folder, `${digest.slice(0, 32)}.json.gz`);
}
