import { createHash } from 'node:crypto';
import { EMPTY, from, lastValueFrom, mergeMap } from 'rxjs';
import { fileState, hashFile } from './file-hash.js';
import type { HashCache } from './hash-cache.js';
import { listFiles } from './list-files.js';

/** The content of a file or folder. */
export interface Content {
  /** SHA-256 of each file by its path under the folder; `''` names the file itself. Sorted by name. */
  readonly files: ReadonlyMap<string, string>;
  readonly bytes: number;
  /** SHA-256 over all names and hashes, in hexadecimal. */
  readonly digest: string;
}

export interface ReadContentOptions {
  readonly cache: HashCache;
  /** A folder that does not count, wherever it is met: the folder of runs. */
  readonly leaveOut?: string;
  readonly signal?: AbortSignal;
  /** Called with the number of files that are done and their total. */
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Reads the content of a file or folder, following links. Files whose size, times and inode are as the cache remembers
 * them are not read.
 *
 * @throws the file system's error where the file or folder, or a file in it, cannot be read.
 */
export async function readContent(root: string, options: ReadContentOptions): Promise<Content> {
  const { cache, signal, onProgress } = options;
  const listed = await listFiles(root, { leaveOut: options.leaveOut, signal });
  const hashes: string[] = [];
  let done = 0;
  let bytes = 0;
  const hashOne = async (index: number): Promise<void> => {
    signal?.throwIfAborted();
    const { name, path, stats } = listed[index]!;
    if (stats === undefined) {
      hashes[index] = leadsNowhere;
    } else {
      const state = fileState(stats);
      let sha256 = cache.get(name, state);
      if (sha256 === undefined) {
        const hashed = await hashFile(path);
        cache.set(name, hashed);
        sha256 = hashed.sha256;
      }
      hashes[index] = sha256;
      bytes += state.bytes;
    }
    onProgress?.(++done, listed.length);
  };
  await lastValueFrom(
    from(listed.keys()).pipe(
      mergeMap(async (index) => {
        await hashOne(index);
      }, atOnce),
      mergeMap(() => EMPTY),
    ),
    { defaultValue: undefined },
  );
  const files = new Map(listed.map(({ name }, i) => [name, hashes[i]!]));
  await cache.save(files);
  return { files, bytes, digest: digestOf(files) };
}

const atOnce = 16;
/** Stands for the hash of a link whose target does not exist. */
const leadsNowhere = '-';

function digestOf(files: ReadonlyMap<string, string>): string {
  const hash = createHash('sha256');
  for (const [name, sha256] of files) hash.update(`${sha256} ${JSON.stringify(name)}\n`);
  return hash.digest('hex');
}
