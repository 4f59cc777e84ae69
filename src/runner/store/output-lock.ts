import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { type FileLock, tryLock } from '../../base/file-lock.js';
import { readWholeTextSync, writePlainSync } from '../../base/files.js';
import { DamagedRecord, sealLine, tellDamaged, unsealAnyLine } from '../../base/sealed.js';

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
  const text = readWholeTextSync(path).trimEnd();
  // It has just taken it.
  if (text === '') return undefined;
  try {
    const holder = unsealAnyLine(text) as Partial<LockHolder> | null;
    if (typeof holder?.host === 'string' && typeof holder.pid === 'number') return holder as LockHolder;
    throw new DamagedRecord('is not of the expected form');
  } catch (error) {
    tellDamaged(path, error, 'which process is waited for is not known');
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
  writePlainSync(path, `${sealLine(holder)}\n`);
}
