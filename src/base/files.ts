import { createHash } from 'node:crypto';
import {
  type BigIntStats,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs';
import { type FileHandle, open, rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { getSystemErrorMap } from 'node:util';
import { UserError } from './errors.js';

/** Meaning of a system error. */
interface SystemProblem {
  readonly code: string;
  /** Finding, without a full stop. */
  readonly found: string;
  readonly remedy: string;
}

/**
 * The error of a file operation as one for a person: files, disks, limits and permissions are theirs to mend. An error
 * that does not come from the system is returned as it is.
 */
export function asUserError(error: unknown, path: string): unknown {
  if (error instanceof UserError) return error;
  const problem = systemProblem(systemReason(error));
  if (problem === undefined) return error;
  const { code, found, remedy } = problem;
  return new UserError({ code, message: `${path}: ${found}.`, remedy, cause: error });
}

/** The path that an error of the system is about: of a link or a renamed file, the one that was to be made. */
export function pathOf(error: unknown): string | undefined {
  const { path, dest } = (error ?? {}) as NodeJS.ErrnoException & { readonly dest?: string };
  return dest ?? path;
}

/**
 * The real reason of an error. `mkdir` of several levels misleads: where a level above cannot be made it says that
 * something is missing, and where a file is in the way that something exists.
 */
export function systemReason(error: unknown): unknown {
  const { code, syscall, path } = (error ?? {}) as NodeJS.ErrnoException;
  if (syscall !== 'mkdir' || path === undefined) return error;
  if (code === 'EEXIST')
    return Object.assign(new Error('a file is in the way', { cause: error }), { code: 'ENOTDIR', path });
  if (code !== 'ENOENT') return error;
  let missing = path;
  while (!existsSync(dirname(missing))) missing = dirname(missing);
  try {
    mkdirSync(missing);
    return error;
  } catch (reason) {
    return reason;
  }
}

/**
 * Explains an error of the operating system; undefined for any other error, and for those of networks and processes.
 */
export function systemProblem(error: unknown): SystemProblem | undefined {
  if (!(error instanceof Error)) return undefined;
  if (error instanceof NotAFile) return { code: 'not-a-file', found: error.message, remedy: 'Name a file.' };
  const { code = '', errno, syscall = '' } = error as NodeJS.ErrnoException;
  const known = kinds[code] ?? kinds[codeInMessage(error.message) ?? ''];
  if (known !== undefined) return { code: known[0], found: known[1], remedy: known[2] };
  const name = errno === undefined ? undefined : getSystemErrorMap().get(errno);
  if (name === undefined || otherCalls.test(syscall)) return undefined;
  return {
    code: 'file-system-error',
    found: `the system refused it: ${name[1]} (${name[0]})`,
    remedy: 'Check the path, its disk and its permissions.',
  };
}

/** Calls of the system that do not concern files. */
const otherCalls = /^(connect|bind|listen|accept|shutdown|send|recv|getaddrinfo|getnameinfo|kill|spawn)/;

/** The code of an error that a library tells in the system's words. */
function codeInMessage(message: string): string | undefined {
  // Node says so too of a module that it found no descriptor for.
  const [, kind, file] = /^Cannot find (package|module) '(\/[^']+)'/.exec(message) ?? [];
  if (file !== undefined && existsSync(kind === 'module' ? file : join(dirname(file), 'package.json')))
    return 'EMFILE';
  return Object.keys(words).find((code) => words[code]!.test(message));
}

const words: Readonly<Record<string, RegExp>> = {
  ENOSPC: /no space left on device/i,
  EROFS: /read-only file system/i,
  EIO: /input\/output error/i,
  EFBIG: /file too large/i,
  ENOMEM: /^WebAssembly.*Out of memory|cannot allocate memory/i,
  EMFILE: /too many open files/i,
};

type Kind = readonly [code: string, found: string, remedy: string];

const full: Kind = ['disk-full', 'there is no space left on the disk', 'Free some space, then run again.'];
const denied: Kind = [
  'permission-denied',
  'permission is denied',
  'Give this user access to it, or choose another folder.',
];
const tooMany: Kind = [
  'too-many-open-files',
  'too many files are open',
  'Raise the limit with `ulimit -n 65536`, then run again.',
];
const noMemory: Kind = [
  'memory-exhausted',
  'the system gives no more memory or address space',
  'Lift a limit of the shell with `ulimit -v unlimited`, or end other programs; then run again.',
];
const inTheWay: Kind = [
  'in-the-way',
  'something else is in its place',
  'Look whether another program writes there, then run again.',
];

const kinds: Readonly<Record<string, Kind | undefined>> = {
  ENOENT: ['file-missing', 'there is no such file or folder', 'Check the path.'],
  ENOTDIR: ['not-a-folder', 'a part of this path is a file, not a folder', 'Check the path.'],
  EISDIR: ['not-a-file', 'expected a file, found a folder', 'Name a file.'],
  ENOSPC: full,
  EDQUOT: full,
  EACCES: denied,
  EPERM: denied,
  EROFS: [
    'read-only',
    'the file system is read-only',
    'Choose a folder that can be written to, or mount it writable.',
  ],
  EMFILE: tooMany,
  ENOMEM: noMemory,
  ENFILE: tooMany,
  EIO: [
    'disk-error',
    'the disk failed to read or write it (input/output error)',
    'Check the disk and its cables, and what `dmesg` says of them; then run again.',
  ],
  EFBIG: [
    'file-too-large',
    'the file would become larger than is allowed',
    'Raise the limit with `ulimit -f unlimited`, or use a file system for large files; then run again.',
  ],
  ELOOP: ['link-loop', 'links lead in a circle', 'Check the symbolic links on the way to it.'],
  ENAMETOOLONG: ['name-too-long', 'the path is too long', 'Use shorter names.'],
  EEXIST: inTheWay,
  ENOTEMPTY: inTheWay,
  EBUSY: ['file-busy', 'something else is using it', 'Close what uses it, then run again.'],
  ENXIO: ['not-a-file', 'expected a file, found a socket or a device without its driver', 'Name a file.'],
  ETXTBSY: ['file-busy', 'it is a program that is running', 'Choose another place.'],
  ESTALE: ['file-lost', 'the network file system has lost it', 'Mount it again, then run again.'],
};

/**
 * Makes a folder and those above it, where they are missing.
 *
 * @throws UserError naming the folder when it may not be made, or a file is in its place.
 */
export function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    throw asUserError(error, path);
  }
}

/** Error of what lies in the place of a file and may never end: a named pipe, a socket or a device. */
class NotAFile extends Error {
  constructor(stats: Stats | BigIntStats) {
    const kind = stats.isFIFO() ? 'a pipe' : stats.isSocket() ? 'a socket' : 'a device';
    super(`expected a file, found ${kind}`);
  }
}

/** Opening with this flag never waits for whoever is at the other end of a pipe. */
const withoutWaiting = (constants as Partial<typeof constants>).O_NONBLOCK ?? 0;

const { O_RDONLY, O_RDWR, O_WRONLY, O_CREAT, O_TRUNC, O_APPEND, O_EXCL } = constants;
/** Ways to open a file, by the names that C has for them. */
const ways = {
  r: O_RDONLY,
  'r+': O_RDWR,
  w: O_WRONLY | O_CREAT | O_TRUNC,
  wx: O_WRONLY | O_CREAT | O_EXCL,
  a: O_WRONLY | O_CREAT | O_APPEND,
  ax: O_WRONLY | O_CREAT | O_APPEND | O_EXCL,
} as const;
type Way = keyof typeof ways;

/** @throws NotAFile for all but files and folders; those give their error when they are read */
export function mustBeFile(stats: Stats | BigIntStats): void {
  if (!stats.isFile() && !stats.isDirectory()) throw new NotAFile(stats);
}

/** A socket, and a pipe that nobody reads from, cannot even be opened. */
function whyNotOpen(error: unknown, path: string | URL): unknown {
  const stats = (error as NodeJS.ErrnoException).code === 'ENXIO' ? statSync(path) : undefined;
  return stats?.isFIFO() || stats?.isSocket() ? new NotAFile(stats) : error;
}

/**
 * Opens a file, or a folder to read: the one way to do so here. Close it after use.
 *
 * @param mode of a file that is made
 * @throws the system's error, or one that `asUserError` explains for what is no file: a pipe would be waited for, and a
 *   device never ends
 */
export async function openFile(path: string, way: Way = 'r', mode = 0o666): Promise<FileHandle> {
  const file = await open(path, ways[way] | withoutWaiting, mode).catch((error: unknown) => {
    throw whyNotOpen(error, path);
  });
  try {
    mustBeFile(await file.stat());
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Descriptor of a file opened as by `openFile`. */
export function openFileSync(path: string | URL, way: Way = 'r'): number {
  let file: number;
  try {
    file = openSync(path, ways[way] | withoutWaiting);
  } catch (error) {
    throw whyNotOpen(error, path);
  }
  try {
    mustBeFile(fstatSync(file));
    return file;
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

/** Reads a file whole. @throws as `openFile` */
export async function readWhole(path: string): Promise<Buffer> {
  const file = await openFile(path);
  try {
    return await file.readFile();
  } finally {
    await file.close();
  }
}

/** Reads a file whole, as text. @throws as `openFile` */
export async function readWholeText(path: string): Promise<string> {
  return (await readWhole(path)).toString('utf8');
}

/** Reads a file whole, as text. @throws as `openFile` */
export function readWholeTextSync(path: string | URL): string {
  return withOpenFile(path, (file) => readFileSync(file, 'utf8'));
}

/** Reads a file whole, into memory that `memoryFor` gives for its size. @throws as `openFile` */
export function readWholeSync(path: string, memoryFor: (bytes: number) => Buffer): Buffer {
  return withOpenFile(path, (file) => {
    const { size } = fstatSync(file);
    const out = memoryFor(size);
    let end = 0;
    for (let read = 1; read > 0 && end < size; end += read) read = readSync(file, out, end, size - end, end);
    return out.subarray(0, end);
  });
}

function withOpenFile<T>(path: string | URL, use: (file: number) => T): T {
  const file = openFileSync(path);
  try {
    return use(file);
  } finally {
    closeSync(file);
  }
}

/** Writes a file in its place, where readers may see it in part. @throws as `openFile` */
export async function writePlain(
  path: string,
  content: string | Uint8Array,
  way: Way = 'w',
  mode?: number,
): Promise<void> {
  const file = await openFile(path, way, mode);
  try {
    await file.writeFile(content);
  } finally {
    await file.close();
  }
}

/** Appends to a file, which is made where it is missing. @throws as `openFile` */
export const appendPlain = (path: string, content: string | Uint8Array): Promise<void> =>
  writePlain(path, content, 'a');

/** Writes a file in its place. @throws as `openFile` */
export function writePlainSync(path: string, content: string, way: Way = 'w'): void {
  const file = openFileSync(path, way);
  try {
    writeFileSync(file, content);
  } finally {
    closeSync(file);
  }
}

/**
 * Fills `out` from a position of an open file, whatever the size.
 *
 * @throws UserError `file-truncated` when the file ends before `out` is full.
 */
export async function readExactly(
  handle: FileHandle,
  out: Uint8Array,
  position: number,
  path: string,
): Promise<void> {
  for (let offset = 0; offset < out.byteLength;) {
    const length = Math.min(out.byteLength - offset, largestRead);
    const { bytesRead } = await handle.read(out, offset, length, position + offset);
    if (bytesRead === 0) {
      throw new UserError({
        code: 'file-truncated',
        message: `${path}: expected ${out.byteLength} bytes from byte ${position} on, found ${offset}.`,
        remedy: 'The file is incomplete: copy, download or make it again.',
      });
    }
    offset += bytesRead;
  }
}

/** One read call cannot return 2 GiB. */
const largestRead = 1 << 30;

/** SHA-256 of a file's content, in hexadecimal. */
export async function sha256OfFile(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  const file = await openFile(path);
  await pipeline(
    file.createReadStream({ highWaterMark: 1 << 20 }),
    hash,
    signal === undefined ? {} : { signal },
  );
  return hash.digest('hex');
}

/** Makes the names in a folder durable. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await openFile(path);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

const [wanted, passage = '1'] = process.env.PIPELINE_KILL_AT?.split('#') ?? [];
let passages = 0;

/**
 * A moment at which a test of recovery has the process die, as by SIGKILL: `PIPELINE_KILL_AT="renamed model.json"`, or
 * with `#2` at its second passage. Costs a comparison where none is asked for.
 *
 * @param event what has just happened, such as `renamed`
 * @param path of the file or folder that it happened to: the moment's name has its last part
 */
export function faultPoint(event: string, path?: string): void {
  if (wanted === undefined) return;
  const name = path === undefined ? event : `${event} ${basename(path)}`;
  if (name === wanted && ++passages === Number(passage)) process.kill(process.pid, 'SIGKILL');
}

/**
 * Writes a file that no process ever sees in part. It is not synced: a crash of the machine, unlike one of the process,
 * may leave it damaged. For many files that can be made again.
 */
export async function putFile(path: string, content: Uint8Array): Promise<void> {
  try {
    await writePlain(`${path}.partial`, content);
    faultPoint('put aside', path);
    await rename(`${path}.partial`, path);
    faultPoint('put', path);
  } catch (error) {
    throw asUserError(error, path);
  }
}
