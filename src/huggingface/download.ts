import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, mkdir, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { asUserError } from '../files/file-errors.js';
import { acquireLock } from '../files/file-lock.js';
import { continueDownload, sizeOf } from '../http/continue-download.js';
import type { CachedRepository } from './cache.js';
import type { Hub, HubFile } from './hub.js';
import type { Repository } from './repository.js';

/** Told how many bytes of a file are there. */
export type DownloadProgress = (file: string, done: number, total: number) => void;

/**
 * Brings a file of a commit into the cache, continuing what an interrupted download left, verified by size and
 * checksum. Another process that downloads the same file is waited for.
 */
export async function downloadFile(
  hub: Hub,
  cached: CachedRepository,
  repository: Repository,
  commit: string,
  file: HubFile,
  onProgress: DownloadProgress,
): Promise<void> {
  const blob = cached.blob(file.checksum);
  const { signal } = hub.options;
  try {
    await mkdir(dirname(blob), { recursive: true });
    const lock = await acquireLock(cached.lock(file.checksum), { signal });
    try {
      if ((await sizeOf(blob)) !== file.bytes)
        await fetchBlob(hub, repository, commit, file, blob, onProgress);
      await cached.link(commit, file.name, file.checksum);
    } finally {
      lock.release();
    }
  } catch (error) {
    throw asUserError(error, blob);
  }
}

async function fetchBlob(
  hub: Hub,
  repository: Repository,
  commit: string,
  file: HubFile,
  blob: string,
  onProgress: DownloadProgress,
): Promise<void> {
  const partial = `${blob}.incomplete`;
  const { signal } = hub.options;
  if ((await sizeOf(partial)) > file.bytes) await rm(partial);
  let reached = await sizeOf(partial);
  await hub.attempt(
    repository,
    () => reached,
    async () => {
      if (reached < file.bytes)
        await continueDownload(hub.http, hub.addressOf(repository, commit, file.name), partial, {
          bytes: file.bytes,
          headers: hub.headers,
          signal,
          reach: (bytes) => {
            reached = bytes;
            onProgress(file.name, bytes, file.bytes);
          },
        });
      if (file.bytes === 0) await (await open(partial, 'w')).close();
      if ((await checksumOf(partial, file, signal)) === file.checksum) return;
      // What is wrong in it cannot be told: from the start again.
      await rm(partial);
      reached = 0;
      throw new Error(`${file.name} arrives damaged: its checksum is not the one that is announced`);
    },
  );
  await rename(partial, blob);
}

/** SHA-256 of a large file; of a small one SHA-1 as git computes it, with its kind and size before it. */
async function checksumOf(
  path: string,
  { isLarge, bytes }: HubFile,
  signal: AbortSignal | undefined,
): Promise<string> {
  const hash = isLarge ? createHash('sha256') : createHash('sha1').update(`blob ${bytes}\0`);
  await pipeline(
    createReadStream(path, { highWaterMark: 1 << 20 }),
    hash,
    signal === undefined ? {} : { signal },
  );
  return hash.digest('hex');
}
