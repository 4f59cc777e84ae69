import { UserError } from '../../errors.js';
import { asUserError, pathOf, systemReason } from '../../files/file-errors.js';
import type { Failure } from './events.js';

/** What went wrong, for a person: errors of files and disks are theirs to mend, however deep they were met. */
export function describeFailure(error: unknown, runsRoot: string): Failure {
  const known = asStorageError(error, runsRoot);
  if (known instanceof UserError)
    return {
      code: known.code,
      message: known.message,
      ...(known.remedy !== undefined && { remedy: known.remedy }),
    };
  if (error instanceof Error)
    return { message: error.message, stack: error.stack ?? `${error.name}: ${error.message}` };
  return { message: String(error), stack: String(error) };
}

/** A `UserError` where files or disks are what failed; otherwise the error as it is. */
export function asStorageError(error: unknown, runsRoot: string): unknown {
  const reason = systemReason(error instanceof UserError ? error.cause : error);
  const { code } = (reason ?? {}) as NodeJS.ErrnoException;
  const path = pathOf(reason);
  if ((code === 'ENOENT' || code === 'ENOTDIR') && path?.startsWith(runsRoot) === true)
    return new UserError({
      code: 'run-folder-gone',
      message: `${path}: it was removed or moved while it was in use.`,
      remedy: 'Leave the folder of runs alone while something runs; then run again.',
      cause: error,
    });
  return asUserError(error, path ?? runsRoot);
}
