import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, existsSync, readFileSync } from 'node:fs';
import { mkdir, open, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { acquireLock } from '../../base/file-lock.js';
import { asUserError } from '../../base/files.js';
import { continueDownload, sizeOf } from '../../base/http.js';
import { type Hub, type HubFile, isCommit, type Repository } from './hub.js';

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

/**
 * One repository in the cache that Hugging Face's own libraries share: `refs` holds the commit of each branch and tag,
 * `snapshots` a folder of links a commit, `blobs` the files, named by their checksums.
 */
export class CachedRepository {
  readonly #folder: string;
  readonly #locks: string;

  constructor(
    cache: string,
    private readonly repository: Repository,
  ) {
    const name = `models--${repository.id.replace('/', '--')}`;
    this.#folder = join(cache, name);
    this.#locks = join(cache, '.locks', name);
  }

  /** The commit that the revision was when it was last looked up. */
  get commit(): string | undefined {
    const { revision } = this.repository;
    if (isCommit(revision)) return revision;
    try {
      const commit = readFileSync(join(this.#folder, 'refs', revision), 'utf8').trim();
      return isCommit(commit) ? commit : undefined;
    } catch {
      return undefined;
    }
  }

  /** The folder of a commit's files. */
  snapshot(commit: string): string {
    return join(this.#folder, 'snapshots', commit);
  }

  /** True when a file of a commit is there; a link whose target is gone does not count. */
  has(commit: string, file: string): boolean {
    return existsSync(join(this.snapshot(commit), file));
  }

  blob(checksum: string): string {
    return join(this.#folder, 'blobs', checksum);
  }

  /** The lock that every library takes while it downloads a blob. */
  lock(checksum: string): string {
    return join(this.#locks, `${checksum}.lock`);
  }

  /** Makes a file of a commit appear, whose blob is there. */
  async link(commit: string, file: string, checksum: string): Promise<void> {
    const path = join(this.snapshot(commit), file);
    await mkdir(dirname(path), { recursive: true });
    const aside = asideOf(path);
    await symlink(relative(dirname(path), this.blob(checksum)), aside);
    await rename(aside, path);
  }

  /** Remembers which commit the revision is. */
  async remember(commit: string): Promise<void> {
    const { revision } = this.repository;
    if (revision === commit) return;
    const path = join(this.#folder, 'refs', revision);
    await mkdir(dirname(path), { recursive: true });
    const aside = asideOf(path);
    try {
      await writeFile(aside, commit);
      await rename(aside, path);
    } catch (error) {
      await rm(aside, { force: true });
      throw error;
    }
  }
}

const asideOf = (path: string): string => `${path}.${randomBytes(4).toString('hex')}.tmp`;
