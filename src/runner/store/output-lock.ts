import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { type FileLock, tryLock } from '../../base/file-lock.js';
import { readWholeTextSync, writePlainSync } from '../../base/files.js';

/** Process that holds the lock of an output. */
export interface LockHolder {
  readonly host: string;
  readonly pid: number;
  /** ISO 8601: tells a process from a later one with the same number. */
  readonly processStarted: string;
  /** ISO 8601: when it took the lock. */
  readonly since: string;
}

const pollMilliseconds = 200;

/**
 * Takes the lock of an output, waiting while another process makes that output. The system releases it when its holder
 * dies. `onWait` is called once, with the holder where it can be told.
 *
 * @throws the signal's reason when it aborts while waiting.
 */
export async function lockOutput(
  path: string,
  options: { readonly signal: AbortSignal; readonly onWait: (holder: LockHolder | undefined) => void },
): Promise<FileLock> {
  for (let first = true; ; first = false) {
    options.signal.throwIfAborted();
    const lock = tryLock(path);
    if (lock !== undefined) {
      nameHolder(path);
      return lock;
    }
    if (first) options.onWait(readHolder(path));
    await sleep(pollMilliseconds, undefined, { signal: options.signal }).catch(() => undefined);
  }
}

/** The last process that took the lock. Whether it still holds it only an attempt to take it can tell. */
function readHolder(path: string): LockHolder | undefined {
  try {
    const holder = JSON.parse(readWholeTextSync(path)) as Partial<LockHolder> | null;
    return typeof holder?.host === 'string' && typeof holder.pid === 'number'
      ? (holder as LockHolder)
      : undefined;
  } catch {
    return undefined;
  }
}

function nameHolder(path: string): void {
  const holder: LockHolder = {
    host: hostname(),
    pid: process.pid,
    processStarted: new Date(performance.timeOrigin).toISOString(),
    since: new Date().toISOString(),
  };
  writePlainSync(path, `${JSON.stringify(holder)}\n`);
}
