import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createHash } from 'node:crypto';
import { replaceFile } from '../store/replace-file.js';
import { sameState, type FileState, type HashedFile } from './file-hash.js';

/**
 * Hashes of the files under one folder, remembered between runs so that unchanged files are not read again.
 * It is only ever a help: one that cannot be read is empty, and one that cannot be written stays as it was.
 */
export class HashCache {
  readonly #file: string;
  readonly #root: string;
  #entries = new Map<string, HashedFile>();
  #changed = false;

  private constructor(file: string, root: string) {
    this.#file = file;
    this.#root = root;
  }

  /** The cache for files under `root`, kept in the folder `directory`. */
  static async open(directory: string, root: string): Promise<HashCache> {
    const name = createHash('sha256').update(root).digest('hex').slice(0, 16);
    const cache = new HashCache(join(directory, `${name}.jsonl`), root);
    const text = await readFile(cache.#file, 'utf8').catch(() => '');
    const [header, ...lines] = text.split('\n');
    if (header !== cache.#header) return cache;
    for (const line of lines) {
      if (line === '') continue;
      try {
        const [name, bytes, modifiedNs, changedNs, inode, sha256] = JSON.parse(line) as Line;
        cache.#entries.set(name, { sha256, state: { bytes, modifiedNs, changedNs, inode } });
      } catch {
        return cache;
      }
    }
    return cache;
  }

  /** The hash of a file, by its path under the root, if it is known for exactly this state. */
  get(name: string, state: FileState): string | undefined {
    const entry = this.#entries.get(name);
    return entry !== undefined && sameState(entry.state, state) ? entry.sha256 : undefined;
  }

  /**
   * Remembers a hash, unless the file changed so recently that another change could leave the same times:
   * file systems keep times in steps of up to two seconds.
   */
  set(name: string, file: HashedFile): void {
    const latest = Math.max(Number(file.state.modifiedNs), Number(file.state.changedNs)) / 1e6;
    if (Date.now() - latest < 2000) return;
    this.#entries.set(name, file);
    this.#changed = true;
  }

  /** Writes what was learnt, leaving out files that are not among `names`. */
  async save(names: ReadonlySet<string> | ReadonlyMap<string, unknown>): Promise<void> {
    for (const name of this.#entries.keys())
      if (!names.has(name)) {
        this.#entries.delete(name);
        this.#changed = true;
      }
    if (!this.#changed) return;
    const lines = [this.#header];
    for (const [name, { sha256, state }] of this.#entries) {
      const line: Line = [name, state.bytes, state.modifiedNs, state.changedNs, state.inode, sha256];
      lines.push(JSON.stringify(line));
    }
    await replaceFile(this.#file, `${lines.join('\n')}\n`).catch(() => undefined);
    this.#changed = false;
  }

  get #header(): string {
    return JSON.stringify({ format: 1, root: this.#root });
  }
}

type Line = [
  name: string,
  bytes: number,
  modifiedNs: string,
  changedNs: string,
  inode: string,
  sha256: string,
];
