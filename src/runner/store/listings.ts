import { createHash, randomBytes } from 'node:crypto';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { exists } from '../../base/existence.js';
import { addFile } from '../../base/file-hash.js';
import { openFile } from '../../base/files.js';
import { DamagedRecord, tellDamaged } from '../../base/sealed.js';
import type { Content } from '../fingerprint/content.js';
import { readHashes } from '../fingerprint/hash-cache.js';

/** The files of an input: SHA-256 of each by its name, in the order of names. */
export type Listing = AsyncIterable<readonly [name: string, sha256: string]>;

/**
 * Keeps which files an input consisted of, so that a later plan can say which of them changed. One copy a content; none
 * where the hashes of its files were not kept, or have changed since.
 */
export async function saveListing(folder: string, { digest, hashes }: Content): Promise<void> {
  const path = listingPath(folder, digest);
  if (hashes === undefined || (await exists(path))) return;
  const aside = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  const found = createHash('sha256');
  async function* lines(): AsyncGenerator<string> {
    for await (const [name, sha256] of readHashes(hashes!)) {
      addFile(found, name, sha256);
      yield `${JSON.stringify([name, sha256])}\n`;
    }
  }
  await mkdir(folder, { recursive: true });
  try {
    await pipeline(Readable.from(lines()), createGzip(), (await openFile(aside, 'w')).createWriteStream());
    if (found.digest('hex') === digest) await rename(aside, path);
  } finally {
    await rm(aside, { force: true });
  }
}

/** The files of an input with this digest; undefined where they were not kept, or are damaged, which is told of. */
export async function openListing(folder: string, digest: string): Promise<Listing | undefined> {
  const path = listingPath(folder, digest);
  if (!(await exists(path))) return undefined;
  const found = createHash('sha256');
  try {
    for await (const [name, sha256] of readLines(path)) addFile(found, name, sha256);
    if (found.digest('hex') !== digest) throw new DamagedRecord('is not what was written');
    return readLines(path);
  } catch (error) {
    tellDamaged(path, error, 'which files an input had is found out by reading them, or not told');
    return undefined;
  }
}

async function* readLines(path: string): AsyncGenerator<readonly [string, string]> {
  const text = createGunzip();
  const whole = pipeline((await openFile(path)).createReadStream(), text);
  // It is waited for below, where what was read has been given.
  whole.catch(() => undefined);
  try {
    for await (const line of createInterface({ input: text, crlfDelay: Infinity }))
      yield JSON.parse(line) as [string, string];
    await whole;
  } finally {
    // Closes the file too, where nobody wants the rest.
    text.destroy();
  }
}

function listingPath(folder: string, digest: string): string {
  return join(folder, `${digest.slice(0, 32)}.jsonl.gz`);
}
