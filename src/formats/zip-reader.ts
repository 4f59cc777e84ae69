import { crc32 } from 'node:zlib';
import type { Entry, ZipFile } from 'yauzl';
import { UserError } from '../base/errors.js';
import { asUserError } from '../base/files.js';
import { InputFile } from '../base/input-file.js';

/** An open zip archive with random access; archives and entries beyond 4 GiB included. Close it after use. */
export class ZipArchive {
  private readonly file: InputFile;
  private readonly zip: ZipFile;
  private readonly entries: ReadonlyMap<string, Entry>;

  private constructor(file: InputFile, zip: ZipFile, entries: ReadonlyMap<string, Entry>) {
    this.file = file;
    this.zip = zip;
    this.entries = entries;
  }

  /** @throws UserError `file-missing`, or `zip-invalid` when the file is no archive or is incomplete. */
  static async open(path: string): Promise<ZipArchive> {
    const file = await InputFile.open(path);
    try {
      // Loaded where an archive is read: what only checks a pipeline does without.
      const { fromFdPromise } = await import('yauzl');
      const zip = await fromFdPromise(file.handle.fd, { autoClose: false, lazyEntries: true });
      if (zip.entryCount > mostEntries)
        throw invalid(path, `it has ${zip.entryCount} entries, more than the ${mostEntries} that are read`);
      const entries = new Map<string, Entry>();
      for await (const entry of zip.eachEntry()) entries.set(entry.fileName, entry);
      checkSizes(path, file.bytes, [...entries.values()]);
      await file.mustBeUntouched();
      return new ZipArchive(file, zip, entries);
    } catch (error) {
      await file.close();
      const known = asUserError(error, path);
      throw known instanceof UserError ? known : invalid(path, (error as Error).message, error);
    }
  }

  get path(): string {
    return this.file.path;
  }

  /** SHA-256 of the whole archive. */
  sha256(): Promise<string> {
    return this.file.sha256();
  }

  /** Names of the entries, in the archive's order. */
  get names(): readonly string[] {
    return [...this.entries.keys()];
  }

  /** Size of an entry, unpacked; nothing when there is no such entry. */
  bytes(name: string): number | undefined {
    return this.entries.get(name)?.uncompressedSize;
  }

  /** Reads an entry whole and checks its checksum. */
  async read(name: string): Promise<Uint8Array> {
    const data = new Uint8Array(this.find(name).uncompressedSize);
    let at = 0;
    for await (const chunk of this.stream(name)) {
      data.set(chunk, at);
      at += chunk.length;
    }
    return data;
  }

  /** Reads an entry in parts of any size; its checksum is checked after the last. */
  async *stream(name: string): AsyncGenerator<Uint8Array, void> {
    const entry = this.find(name);
    let checksum = 0;
    for await (const chunk of await this.zip.openReadStreamPromise(entry)) {
      await this.file.mustBeUntouched();
      checksum = crc32(chunk as Buffer, checksum);
      yield chunk as Buffer;
    }
    if (checksum !== entry.crc32)
      throw invalid(this.path, `its entry ${name} is damaged: the checksum is not the one recorded`);
  }

  /** Reads the beginning of an entry, without its checksum being checked. */
  async readStart(name: string, length: number): Promise<Uint8Array> {
    const parts: Buffer[] = [];
    let bytes = 0;
    const stream = await this.zip.openReadStreamPromise(this.find(name));
    for await (const chunk of stream) {
      parts.push(chunk as Buffer);
      bytes += (chunk as Buffer).length;
      if (bytes >= length) break;
    }
    await this.file.mustBeUntouched();
    return Buffer.concat(parts).subarray(0, length);
  }

  /** Reads a part of an entry, without its checksum being checked; of a compressed entry this unpacks all of it. */
  async readRange(name: string, start: number, length: number): Promise<Uint8Array> {
    const entry = this.find(name);
    if (start + length > entry.uncompressedSize) {
      throw invalid(this.path, `its entry ${name} is too short: ${entry.uncompressedSize} bytes`);
    }
    const isWhole = start === 0 && length === entry.uncompressedSize;
    if (isWhole || entry.compressionMethod !== 0) {
      return (await this.read(name)).subarray(start, start + length);
    }
    const { fileDataStart } = await this.zip.readLocalFileHeaderPromise(entry, { minimal: true });
    const data = new Uint8Array(length);
    await this.file.read(data, fileDataStart + start);
    return data;
  }

  close(): Promise<void> {
    return this.file.close();
  }

  private find(name: string): Entry {
    const entry = this.entries.get(name);
    if (entry) return entry;
    throw invalid(this.path, `it has no entry ${name}`);
  }
}

/** More than any checkpoint has: each takes about a kilobyte of memory. */
const mostEntries = 2 ** 17;

/** An archive that unpacks to more than this must not unpack to more than `mostExpansion` times its size. */
const expansionMatters = 64 * 2 ** 20;
/** Weights and pictures shrink to a half or a third; zeros, of which bombs are made, to a thousandth. */
const mostExpansion = 100;

/** Bounds what entries announce, before anything is made of that size. */
function checkSizes(path: string, fileBytes: number, entries: readonly Entry[]): void {
  const sum = (size: (entry: Entry) => number) => entries.reduce((total, entry) => total + size(entry), 0);
  const packed = sum(({ compressedSize }) => compressedSize);
  if (packed > fileBytes)
    throw invalid(
      path,
      `its entries announce ${packed} bytes, and it has ${fileBytes}: it is cut off, or entries overlap`,
    );
  const unpacked = sum(({ uncompressedSize }) => uncompressedSize);
  if (unpacked > expansionMatters && unpacked > mostExpansion * fileBytes)
    throw invalid(
      path,
      `it would unpack to ${unpacked} bytes, ${Math.round(unpacked / fileBytes)} times its size`,
    );
}

function invalid(path: string, problem: string, cause?: unknown): UserError {
  return new UserError({
    code: 'zip-invalid',
    message: `${path}: not a valid archive: ${problem.replace(/\.$/, '')}.`,
    remedy: 'Copy, download or export the file again.',
    cause,
  });
}
