import { createHash, randomBytes } from 'node:crypto';
import { type FileHandle, mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { isAbsent } from '../../base/existence.js';
import { type FileState, sameState } from '../../base/file-hash.js';
import { openFile } from '../../base/files.js';
import { DamagedRecord, sealLine, tellDamaged, unsealLine } from '../../base/sealed.js';

/**
 * Hashes of the files under one folder, remembered between runs so that unchanged files are not read again. Files are
 * asked for, and noted, in the order of their names: what is remembered is read and written alongside, and never in
 * memory as a whole. It is only ever a help: one that cannot be written stays as it was, and one that is damaged is told
 * of and counts up to the damage. Its first line says its format, each has a checksum, and the last says that it is
 * whole.
 */
export class HashCache {
  /** File that keeps it: a line a file, for `readHashes`. */
  readonly path: string;
  private readonly remembered: LineReader;
  private readonly aside: string;
  private writer: FileHandle | undefined;
  private canWrite = true;
  private pending: string;
  private changed = false;

  private constructor(path: string, header: string, remembered: LineReader) {
    this.path = path;
    this.pending = `${header}\n`;
    this.remembered = remembered;
    this.aside = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  }

  /** The cache for files under `root`, kept in the folder `directory`; both may move together. */
  static async open(directory: string, root: string): Promise<HashCache> {
    const { path, header } = placeOf(directory, root);
    const remembered = await LineReader.open(path);
    if (await hasHeader(remembered, header)) return new HashCache(path, header, remembered);
    await remembered.close();
    return new HashCache(path, header, LineReader.empty);
  }

  /** The hash of a file, if it is known for exactly this state. Files are asked for in the order of their names. */
  async find(name: string, state: FileState): Promise<string | undefined> {
    for (;;) {
      const entry = await entryAt(this.remembered);
      if (entry === undefined || entry.name > name) return undefined;
      if (entry.name === name)
        return entry.state !== undefined && sameState(entry.state, state) ? entry.sha256 : undefined;
      // A file that is no longer there.
      this.changed = true;
      this.remembered.skip();
    }
  }

  /**
   * Notes the hash of a file, in the order of names. It will be trusted unless the file changed so recently that another
   * change could leave the same time: file systems keep times in steps of up to two seconds. The time that counts is that
   * of the inode's last change, which no program can set, by the clock that was read then; a clock that has been set back
   * since makes a file look younger than it is, which is safe.
   */
  async note(name: string, sha256: string, state: FileState | undefined): Promise<void> {
    const isSettled = state !== undefined && Date.now() - Number(state.changedNs) / 1e6 >= 2000;
    const line = formatLine(name, sha256, isSettled ? state : undefined);
    const earlier = await entryAt(this.remembered);
    if (earlier?.name === name) this.remembered.skip();
    if (earlier?.line !== line) this.changed = true;
    this.pending += `${line}\n`;
    if (this.pending.length > pendingLength) await this.flush();
  }

  /** Keeps what was noted. Gives whether the file at `path` now has it. */
  async save(): Promise<boolean> {
    if ((await this.remembered.peek()) !== lastLine) this.changed = true;
    await this.remembered.close();
    if (this.changed) {
      this.pending += `${lastLine}\n`;
      await this.flush();
    }
    try {
      await this.writer?.close();
      if (!this.canWrite) return false;
      if (this.changed) await rename(this.aside, this.path);
      else await rm(this.aside, { force: true });
      return true;
    } catch {
      await rm(this.aside, { force: true }).catch(() => undefined);
      return false;
    }
  }

  /** Forgets what was noted. */
  async abandon(): Promise<void> {
    await this.remembered.close();
    await this.writer?.close().catch(() => undefined);
    await rm(this.aside, { force: true }).catch(() => undefined);
  }

  private async flush(): Promise<void> {
    const text = this.pending;
    this.pending = '';
    if (!this.canWrite) return;
    try {
      if (this.writer === undefined) {
        await mkdir(dirname(this.path), { recursive: true });
        this.writer = await openFile(this.aside, 'w');
      }
      await this.writer.writeFile(text);
    } catch {
      this.canWrite = false;
    }
  }
}

function placeOf(directory: string, root: string): { readonly path: string; readonly header: string } {
  const place = relative(directory, root);
  const name = createHash('sha256').update(place).digest('hex').slice(0, 16);
  return { path: join(directory, `${name}.jsonl`), header: sealLine({ format: 3, root: place }) };
}

const pendingLength = 1 << 18;

interface Entry {
  readonly name: string;
  readonly sha256: string;
  /** Absent where the hash is known but must not be trusted for long. */
  readonly state?: FileState | undefined;
  /** The line that it stands in. */
  readonly line: string;
}

function formatLine(name: string, sha256: string, state: FileState | undefined): string {
  const { bytes, modifiedNs, changedNs, inode } = state ?? {};
  return sealLine(state === undefined ? [name, sha256] : [name, sha256, bytes, modifiedNs, changedNs, inode]);
}

/** Line behind the last entry. */
const lastLine = sealLine(['end']);

/** True where the file begins as it should, which is then read on. What is no file of ours, of any version, is told of. */
async function hasHeader(reader: LineReader, header: string): Promise<boolean> {
  const line = await reader.peek();
  reader.skip();
  if (line === header) return true;
  // One of an earlier version is no damage.
  if (reader.isThere && !/^\{"format":[12],"root":/.test(line ?? ''))
    reader.tell('its first line is another');
  return false;
}

/** The entry in the line that comes next; undefined after the last, and where the rest is damaged, which is told of. */
async function entryAt(reader: LineReader): Promise<Entry | undefined> {
  const line = await reader.peek();
  if (line === lastLine || !reader.isThere) return undefined;
  try {
    if (line === undefined) throw new DamagedRecord('its end is missing');
    const [name, sha256, bytes, modifiedNs, changedNs, inode] = unsealLine(line) as [
      string,
      string,
      ...([number, string, string, string] | [undefined, undefined, undefined, undefined]),
    ];
    const state = bytes === undefined ? undefined : { bytes, modifiedNs, changedNs, inode };
    return { name, sha256, state, line };
  } catch (error) {
    reader.tell(error);
    return undefined;
  }
}

/**
 * Hash and state of every file under `root` that is remembered in the folder `directory`, by name; none where that
 * cannot be read. For folders of few files.
 */
export async function readStates(directory: string, root: string): Promise<ReadonlyMap<string, Entry>> {
  const { path, header } = placeOf(directory, root);
  const states = new Map<string, Entry>();
  const reader = await LineReader.open(path);
  try {
    if (!(await hasHeader(reader, header))) return states;
    for await (const entry of entriesIn(reader)) states.set(entry.name, entry);
  } finally {
    await reader.close();
  }
  return states;
}

/** Name and hash of every file that a cache at `path` has, in the order of names. */
export async function* readHashes(path: string): AsyncGenerator<readonly [name: string, sha256: string]> {
  const reader = await LineReader.open(path);
  try {
    await reader.peek();
    reader.skip();
    for await (const { name, sha256 } of entriesIn(reader)) yield [name, sha256];
  } finally {
    await reader.close();
  }
}

/** Entries from the next line on, up to the last that is whole. */
async function* entriesIn(reader: LineReader): AsyncGenerator<Entry> {
  for (let entry = await entryAt(reader); entry !== undefined; entry = await entryAt(reader)) {
    yield entry;
    reader.skip();
  }
}

const chunkBytes = 1 << 18;

const readAgain = 'the files whose hashes it should have are read again';

/** Tells of an error but for that of a file that is not there. */
function tellUnlessMissing(path: string, error: unknown): void {
  if (!isAbsent(error)) tellDamaged(path, error, readAgain);
}

/** Reads a text file line by line, a chunk in memory at a time. A file that is not there has no lines. */
class LineReader {
  private readonly path: string;
  private readonly file: FileHandle | undefined;
  private readonly decoder = new TextDecoder();
  private readonly buffer = Buffer.allocUnsafe(chunkBytes);
  private lines: string[] = [];
  private next = 0;
  private rest = '';
  private ended = false;

  private constructor(path: string, file: FileHandle | undefined) {
    this.path = path;
    this.file = file;
  }

  static async open(path: string): Promise<LineReader> {
    const file = await openFile(path).catch((error: unknown) => {
      tellUnlessMissing(path, error);
      return undefined;
    });
    return new LineReader(path, file);
  }

  /** Reader of a file that is not there. */
  static readonly empty = new LineReader('', undefined);

  get isThere(): boolean {
    return this.file !== undefined;
  }

  /** Says that what was read is damaged. */
  tell(found: unknown): void {
    tellDamaged(this.path, found, readAgain);
  }

  /** The next line that ends with a line break, without moving on to the one after it; undefined after the last. */
  async peek(): Promise<string | undefined> {
    while (this.next === this.lines.length && !this.ended) await this.fill();
    return this.lines[this.next];
  }

  /** Moves on from the line that `peek` gave. */
  skip(): void {
    this.next++;
  }

  async close(): Promise<void> {
    await this.file?.close();
  }

  private async fill(): Promise<void> {
    // A folder can be opened, but not read.
    const read = this.file?.read(this.buffer, 0, chunkBytes).catch((error: unknown) => {
      tellUnlessMissing(this.path, error);
      return undefined;
    });
    const { bytesRead } = (await read) ?? { bytesRead: 0 };
    if (bytesRead === 0) {
      this.ended = true;
      return;
    }
    const text = this.rest + this.decoder.decode(this.buffer.subarray(0, bytesRead), { stream: true });
    this.lines = text.split('\n');
    this.rest = this.lines.pop()!;
    this.next = 0;
  }
}
