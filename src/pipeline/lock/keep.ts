import { UserError } from '../../errors.js';
import type { Plan } from '../plan/plan.js';
import type { Manifest } from '../store/manifest.js';
import { lockPath, writeLock } from './lock-file.js';
import { makeLock } from './make-lock.js';

/** What became of the lock of a run that has finished. */
export interface KeptLock {
  readonly path: string;
  /** Whether it was not there in the same words already. */
  readonly changed: boolean;
  /** Why it could not be written. */
  readonly problem?: string;
}

/** Writes the lock beside the pipeline file. That it cannot be written is no failure of what has run. */
export async function keepLock(plan: Plan, outputs: ReadonlyMap<string, Manifest>): Promise<KeptLock> {
  const { file } = plan.pipeline;
  const path = lockPath(file);
  try {
    return { path, changed: await writeLock(makeLock(plan, outputs), file) };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { path, changed: false, problem: error.message };
  }
}
