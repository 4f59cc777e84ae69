import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { type FileHandle, mkdir, readdir, rename, rm, stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { UserError } from './errors.js';
import { asUserError, faultPoint, makeFolder, openFile, syncFolder } from './files.js';
import { formatBytes } from './format.js';

/** @throws UserError `disk-full` where the folder's disk has no room for so many bytes */
export async function requireSpace(folder: string, bytes: number, remedy: string): Promise<void> {
  const { bavail, bsize } = await statfs(folder).catch((error: unknown) => {
    throw asUserError(error, folder);
  });
  if (bytes <= bavail * bsize) return;
  throw new UserError({
    code: 'disk-full',
    message: `${folder}: ${formatBytes(bytes)} are needed there, ${formatBytes(bavail * bsize)} are free.`,
    remedy,
  });
}

/** Size of a file; 0 where there is none. */
export async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.size ?? 0;
}

/** Size and hash of a finished file: enough to recognise it later. */
export interface FileSeal {
  readonly bytes: number;
  /** SHA-256 of the whole file, in hexadecimal. */
  readonly sha256: string;
}

/**
 * A file that appears whole or not at all: written aside as `NAME.partial`, synced, then renamed.
 * Ends with either `commit` or `abandon`. A full disk and a read-only folder are `UserError`s.
 */
class OutputFile {
  readonly path: string;
  private readonly handle: FileHandle;
  private readonly hash = createHash('sha256');
  private written = 0;

  private constructor(path: string, handle: FileHandle) {
    this.path = path;
    this.handle = handle;
  }

  static async create(path: string): Promise<OutputFile> {
    try {
      const handle = await openFile(partial(path), 'w');
      faultPoint('created', path);
      return new OutputFile(path, handle);
    } catch (error) {
      throw asUserError(error, path);
    }
  }

  /** Bytes written so far. */
  get bytes(): number {
    return this.written;
  }

  /** Appends bytes, which may be reused as soon as the promise resolves. */
  async write(data: Uint8Array): Promise<void> {
    this.hash.update(data);
    try {
      for (let offset = 0; offset < data.byteLength;) {
        const length = Math.min(data.byteLength - offset, largestWrite);
        offset += (await this.handle.write(data, offset, length)).bytesWritten;
      }
    } catch (error) {
      throw asUserError(error, this.path);
    }
    this.written += data.byteLength;
    faultPoint('wrote to', this.path);
  }

  /** Makes the file appear under its name, durably. */
  async commit(): Promise<FileSeal> {
    try {
      await this.handle.sync();
      await this.handle.close();
      faultPoint('synced', this.path);
      await rename(partial(this.path), this.path);
      faultPoint('renamed', this.path);
      await syncFolder(dirname(this.path));
    } catch (error) {
      throw asUserError(error, this.path);
    }
    return { bytes: this.written, sha256: this.hash.digest('hex') };
  }

  /** Leaves nothing behind. Never throws: it is called while another error is on its way. */
  async abandon(): Promise<void> {
    await this.handle.close().catch(() => undefined);
    await rm(partial(this.path), { force: true }).catch(() => undefined);
  }
}

/** Writes a file through `fill`: committed when it resolves, abandoned when it rejects. */
export async function writeOutputFile(
  path: string,
  fill: (file: OutputFile) => Promise<void>,
): Promise<FileSeal> {
  const file = await OutputFile.create(path);
  try {
    await fill(file);
    return await file.commit();
  } catch (error) {
    await file.abandon();
    throw error;
  }
}

/** Writes a small file whole or not at all. */
export function writeFileWhole(path: string, content: Uint8Array | string): Promise<FileSeal> {
  return writeOutputFile(path, (file) =>
    file.write(typeof content === 'string' ? Buffer.from(content) : content),
  );
}

/** One write call cannot take 2 GiB. */
const largestWrite = 1 << 30;

function partial(path: string): string {
  return `${path}.partial`;
}

interface OutputFolderOptions {
  /** Replaces what is there, if it is a folder with one of the files in `marks`. */
  readonly replace: boolean;
  readonly marks: readonly string[];
}

/**
 * Throws unless a file or folder may be written at `path`.
 *
 * @throws UserError `output-exists`
 */
export async function checkFree(path: string, { replace, marks }: OutputFolderOptions): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return;
  const isOurs = !found.isDirectory() || marks.some((mark) => existsSync(join(path, mark)));
  const isEmpty = found.isDirectory() && (await readdir(path)).length === 0;
  if (isEmpty || (replace && isOurs)) return;
  throw new UserError({
    code: 'output-exists',
    usage: true,
    message: isOurs ? `${path} exists.` : `${path} is a folder with other things in it.`,
    remedy: isOurs
      ? 'Name another place, or replace it with --force.'
      : 'Name a folder that does not exist yet.',
  });
}

/** Makes a folder that appears whole or not at all: filled aside, then renamed. */
export async function writeOutputFolder(
  path: string,
  options: OutputFolderOptions,
  fill: (directory: string) => Promise<void>,
): Promise<void> {
  await checkFree(path, options);
  const partial = `${path}.partial`;
  try {
    makeFolder(dirname(path));
    await rm(partial, { recursive: true, force: true });
    await mkdir(partial);
    await fill(partial);
    await syncFolder(partial);
    await checkFree(path, options);
    const replaced = `${path}.replaced`;
    if (existsSync(path)) await rename(path, replaced);
    await rename(partial, path);
    await syncFolder(dirname(path));
    await rm(replaced, { recursive: true, force: true });
  } catch (error) {
    await rm(partial, { recursive: true, force: true }).catch(() => undefined);
    throw asUserError(error, path);
  }
}
