import { closeSync, fstatSync, statSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { UserError } from './errors.js';
import { asUserError, makeFolder, openFileSync } from './files.js';
import { nativeInterface } from './native-interface.js';

/** An exclusive lock between processes, held until released. */
export interface FileLock {
  /** Open file that holds it: a process that is handed this holds the lock too, until it ends. */
  readonly descriptor: number;
  release(): void;
}

export interface LockOptions {
  /** Callback for when another process holds the lock, called once. */
  readonly onWait?: () => void;
  readonly signal?: AbortSignal | undefined;
}

const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;
const pollMilliseconds = 200;

/** Takes a lock if it is free: undefined when another holder (in this process or another) has it. */
export function tryLock(path: string): FileLock | undefined {
  const descriptor = openLockFile(path);
  const errno = flock(descriptor, LOCK_EX | LOCK_NB);
  if (errno === 0) {
    // Whoever held it before may have removed its file: others would lock a new one.
    if (!isFileAt(descriptor, path)) {
      closeSync(descriptor);
      return tryLock(path);
    }
    return {
      descriptor,
      release() {
        closeSync(descriptor);
      },
    };
  }
  closeSync(descriptor);
  if (errno === constants.errno.EWOULDBLOCK) return undefined;
  throw new UserError({
    code: 'lock-unavailable',
    message: `${path}: this file system offers no locks (flock failed with error ${errno}).`,
    remedy: 'Use a folder on a local disk.',
  });
}

/**
 * Takes a lock, waiting for as long as another process has it. It is `flock(2)`: the system releases it when its holder
 * dies, however that happens. The file itself is empty and stays.
 *
 * @throws UserError when the file cannot be made, or its file system has no locks.
 */
export async function acquireLock(path: string, options: LockOptions = {}): Promise<FileLock> {
  for (let first = true; ; first = false) {
    const lock = tryLock(path);
    if (lock !== undefined) return lock;
    if (first) options.onWait?.();
    await sleep(pollMilliseconds, undefined, options.signal === undefined ? {} : { signal: options.signal });
  }
}

/**
 * True when a process holds a lock. Asking takes a shared lock for an instant, so that those who ask do not see each
 * other; a holder that has just begun to take an exclusive lock might.
 */
export function isLocked(path: string): boolean {
  let descriptor: number;
  try {
    descriptor = openFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw asUserError(error, path);
  }
  try {
    return flock(descriptor, LOCK_SH | LOCK_NB) === constants.errno.EWOULDBLOCK;
  } finally {
    closeSync(descriptor);
  }
}

function isFileAt(descriptor: number, path: string): boolean {
  const [open, named] = [fstatSync(descriptor), statSync(path, { throwIfNoEntry: false })];
  return named?.ino === open.ino && named.dev === open.dev;
}

function openLockFile(path: string): number {
  try {
    makeFolder(dirname(path));
    return openFileSync(path, 'a');
  } catch (error) {
    throw asUserError(error, path);
  }
}

let nativeFlock: ((descriptor: number, operation: number) => number) | undefined;

/** 0, or the error number. */
function flock(descriptor: number, operation: number): number {
  const koffi = nativeInterface();
  nativeFlock ??= koffi.load(null).func('int flock(int, int)') as (fd: number, operation: number) => number;
  return nativeFlock(descriptor, operation) === 0 ? 0 : koffi.errno();
}
