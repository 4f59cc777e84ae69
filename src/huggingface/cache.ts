import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { randomBytes } from 'node:crypto';
import { type Repository, isCommit } from './repository.js';

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

  /** Whether a file of a commit is there; a link whose target is gone is not. */
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
