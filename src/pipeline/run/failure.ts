import { UserError } from '../../errors.js';
import { asUserError } from '../../files/file-errors.js';
import type { Failure } from './events.js';

/** File system errors that concern the folder of runs as a whole, however deep they were met. */
const storageErrors = new Set(['ENOSPC', 'EDQUOT', 'EROFS']);

/**
 * What went wrong, for a person. A full disk or a folder of runs that has become read-only is theirs to mend even where
 * a library reported it in its own words.
 */
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

/** A `UserError` where storage is what failed; otherwise the error as it is. */
export function asStorageError(error: unknown, runsRoot: string): unknown {
  if (error instanceof UserError || !(error instanceof Error)) return error;
  const { code, path } = error as NodeJS.ErrnoException;
  if (code !== undefined && storageErrors.has(code)) return asUserError(error, path ?? runsRoot);
  if ((code === 'EACCES' || code === 'EPERM') && path?.startsWith(runsRoot) === true)
    return asUserError(error, path);
  if (/no space left on device/i.test(error.message))
    return asUserError(Object.assign(new Error(error.message), { code: 'ENOSPC' }), runsRoot);
  return error;
}
