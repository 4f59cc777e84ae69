import { rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { tryLock } from '../../files/file-lock.js';
import type { Garbage } from './garbage.js';

/**
 * Removes a piece of garbage, unless its output is being made: whether it did. What is removed is renamed first, so that
 * nobody meets half of it.
 */
export async function removeGarbage({ path, key, what }: Garbage): Promise<boolean> {
  const output = join(dirname(path), key);
  const lock = tryLock(`${output}.lock`);
  if (lock === undefined) return false;
  try {
    const aside = what === 'left over' ? path : `${output}.removed-${process.pid}.tmp`;
    if (aside !== path) await rename(path, aside);
    await rm(aside, { recursive: true, force: true });
    if (what === 'interrupted session') await rm(`${output}.session.json`, { force: true });
    if (what === 'output' || what === 'interrupted session')
      for (const suffix of ['failed.json', 'lock']) await rm(`${output}.${suffix}`, { force: true });
    return true;
  } finally {
    lock.release();
  }
}
