import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { acquireLock, isLocked } from '../../base/file-lock.js';

/** A lock in a sweep's folder, held while the sweep goes on: the system releases that of one that was killed. */
const lockIn = (folder: string): string => join(folder, 'sweep.lock');

/** Does the work of a sweep, which is under way meanwhile; where another one of the folder is, from when that has ended. */
export async function whileUnderWay(folder: string, work: () => Promise<void>): Promise<void> {
  const over = new AbortController();
  const lock = acquireLock(lockIn(folder), { signal: over.signal }).catch(() => undefined);
  try {
    await work();
  } finally {
    over.abort();
    const held = await lock;
    if (held) rmSync(lockIn(folder), { force: true });
    held?.release();
  }
}

/** True while a sweep of the folder goes on, in any process. */
export const isUnderWay = (folder: string): boolean => isLocked(lockIn(folder));
